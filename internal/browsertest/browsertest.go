// Package browsertest shows pages in a headless Chromium, which must be installed,
// and notes what a person would find only in the browser's tools: complaints of
// the console, breaches of the content security policy, requests to other hosts.
package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"gatehouse/internal/requiretest"
)

// Page is a page in a browser of its own, which ends with the test.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	hosts      []string
}

// patience bounds each step. A browser on a busy machine takes seconds to start.
const patience = time.Minute

// programs are those that will do. The first is what Debian's script of that name
// starts: a script would be killed with the test, and leave the browser behind.
var programs = []string{"/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell", "chromium", "google-chrome"}

// Open starts a browser, found by [requiretest.Program], without a page.
func Open(t testing.TB) *Page {
	t.Helper()
	program := requiretest.Program(t, "chromium-headless-shell", programs...)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.WSURLReadTimeout(patience), chromedp.WindowSize(1280, 900))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root cannot have
	}
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(endAllocator)
	t.Cleanup(end)
	p := &Page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.note)
	// The first run starts the browser, which lives as long as its context.
	if err := chromedp.Run(ctx, log.Enable(), network.Enable(), runtime.Enable()); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return p
}

func (p *Page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded: // the policy's breaches are among them
		p.complaints = append(p.complaints, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			p.complaints = append(p.complaints, fmt.Sprintf("%s: %s", e.Type, arg.Value))
		}
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != "" && !slices.Contains(p.hosts, u.Host) {
			p.hosts = append(p.hosts, u.Host)
		}
	}
}

// Complaints returns what the browser's console has said.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaints)
}

// Hosts returns whom the page has asked for anything, each once.
func (p *Page) Hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hosts)
}

// Run does steps one after the other.
func (p *Page) Run(steps ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, steps...); err != nil {
		p.t.Fatalf("%v; the page complained: %q", err, p.Complaints())
	}
}

// Until waits until an expression of JavaScript is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Poll(expression, nil, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
		p.t.Fatalf("%s does not become true: %v; the page complained: %q", expression, err, p.Complaints())
	}
}

// Screenshot writes the whole page to a file as PNG.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	var image []byte
	p.Run(chromedp.FullScreenshot(&image, 100))
	if err := os.WriteFile(name, image, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
