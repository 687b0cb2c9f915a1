package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"gatehouse/internal/browsertest"
)

// The reference shows every operation with its schema, and one can be tried. It
// asks nobody else for anything, and the browser complains of nothing.
func TestReference(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	operations := 0
	for _, item := range doc.Paths.Map() {
		operations += len(item.Operations())
	}
	page := browsertest.Open(t)
	gateway := shared.Gateways[0].HTTP
	page.Run(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(gateway+"/docs"))
	page.Until(fmt.Sprintf(`document.querySelectorAll(".opblock").length === %d && document.title === "Gatehouse API"`, operations))

	page.Run(chromedp.Click(`#operations-auth-login .opblock-summary-control`, chromedp.ByQuery))
	page.Until(`document.querySelector("#operations-auth-login .opblock-body")?.textContent.includes("username_or_email")`)
	shoot(t, page, "reference")

	page.Run(chromedp.Click(`#operations-service-ping .opblock-summary-control`, chromedp.ByQuery))
	page.Run(chromedp.Click(`#operations-service-ping .try-out__btn`, chromedp.ByQuery))
	page.Run(chromedp.Click(`#operations-service-ping .execute`, chromedp.ByQuery))
	page.Until(`document.querySelector("#operations-service-ping .live-responses-table")?.textContent.includes("pong")`)

	if got := page.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	if got, want := fmt.Sprint(page.Hosts()), fmt.Sprintf("[%s]", strings.TrimPrefix(gateway, "http://")); got != want {
		t.Errorf("the page asked %s, want %s only", got, want)
	}
}

// shoot looks at a page in each of its forms, none of which may be wider than the
// window. With GATEHOUSE_SCREENSHOTS it leaves pictures in that directory.
func shoot(t *testing.T, page *browsertest.Page, name string) {
	t.Helper()
	directory := os.Getenv("GATEHOUSE_SCREENSHOTS")
	for _, form := range []struct {
		name   string
		scheme string
		width  int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "light", 320}, {"desktop", "light", 1280}} {
		scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: form.scheme}
		page.Run(chromedp.EmulateViewport(form.width, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{scheme}))
		var width int64
		page.Run(chromedp.Evaluate(`document.documentElement.scrollWidth`, &width))
		if width > form.width {
			t.Errorf("%s: the page is %d wide in a window of %d", form.name, width, form.width)
		}
		if directory != "" {
			page.Screenshot(filepath.Join(directory, name+"-"+form.name+".png"))
		}
	}
}
