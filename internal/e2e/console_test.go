package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/internal/browsertest"
	"gatehouse/internal/stack"
)

// TestConsole looks at a gateway's console as an operator does: plots move under
// load, the log is followed, a backend that stops turns red and one that comes
// back turns green, nobody else is asked for anything and nothing is complained of.
func TestConsole(t *testing.T) {
	page := browsertest.Open(t)
	s := ownStack(t, stack.Options{Backends: 2})
	ops := s.Gateways[0].Ops
	page.Run(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(ops+"/console"))
	page.Until(`document.querySelectorAll("#backends .badge.up").length === 2 && document.querySelector("#contact").dataset.state === "up"`)

	keepAsking(t, s)
	page.Until(`["requests", "status", "latency", "cache"].every((id) => /L.*L/.test(document.querySelector("#" + id + " path")?.getAttribute("d") ?? ""))`)
	page.Until(`parseFloat(document.querySelector("#requests .now").textContent) > 0 && document.querySelector("#latency .now").textContent.includes("within")`)
	page.Until(`document.querySelector("#log").textContent.includes("/api/v1/address-book")`)
	page.Until(`document.querySelectorAll("#status tbody tr").length === 4`)

	down := strings.TrimPrefix(s.Backends[1].API, "http://")
	if err := s.Backends[1].Stop(); err != nil {
		t.Fatal(err)
	}
	page.Until(fmt.Sprintf(`document.querySelector("#backends tr.down th")?.textContent === %q && document.querySelector("#news").textContent.includes("down")`, down))
	var background, other string
	page.Run(chromedp.Evaluate(`getComputedStyle(document.querySelector("#backends tr.down")).backgroundColor`, &background),
		chromedp.Evaluate(`getComputedStyle(document.querySelector("#backends tr.up")).backgroundColor`, &other))
	if background == other {
		t.Errorf("a backend that is down looks as one that is up: %s", background)
	}
	shoot(t, page, "console")
	if err := s.Backends[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	page.Until(`document.querySelectorAll("#backends .badge.up").length === 2`)

	if got := page.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	if got, want := fmt.Sprint(page.Hosts()), fmt.Sprintf("[%s]", strings.TrimPrefix(ops, "http://")); got != want {
		t.Errorf("the page asked %s, want %s only", got, want)
	}
}

// keepAsking sends requests until the test ends.
func keepAsking(t *testing.T, s *stack.Stack) {
	t.Helper()
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for t.Context().Err() == nil {
			// What it is answered does not matter, and a backend stops meanwhile.
			_, _ = c.try("GET", "/api/v1/address-book", tokens.Access, nil)
		}
	}()
	t.Cleanup(func() { <-done })
}
