// Package console is a page for operators that shows live what one gateway does.
//
// The page asks for /metrics and reads it itself: what it shows is what Prometheus
// sees, in one form, and a metric needs no second description here. It has no
// build step, and nothing in it comes from another host.
package console

import (
	"embed"
	"strings"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/asset"
	"gatehouse/internal/logging"
)

// Prefix is where the page is.
const Prefix = "/console/"

// policy lets the page load and ask only what comes from the same listener. It
// has neither inline scripts nor inline styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

//go:embed page
var files embed.FS

// served are asked for anew each time: another version of the gateway may be here.
var served = asset.Load(files, "no-cache")

// Console answers for the page, its files and the log that it shows.
type Console struct {
	log *log
}

// New returns a console that shows the lines of tail, or none if it is nil.
func New(tail *logging.Tail) *Console { return &Console{log: newLog(tail)} }

// Handle answers requests whose path begins with [Prefix].
func (c *Console) Handle(ctx *fasthttp.RequestCtx) {
	c.answer(ctx)
	// At the end, because an error answer starts from an empty header.
	ctx.Response.Header.Set("Content-Security-Policy", policy)
	ctx.Response.Header.Set("Referrer-Policy", "no-referrer")
}

func (c *Console) answer(ctx *fasthttp.RequestCtx) {
	name := strings.TrimPrefix(string(ctx.Path()), Prefix)
	switch {
	case !ctx.IsGet() && !ctx.IsHead():
		ctx.Error("method not allowed", fasthttp.StatusMethodNotAllowed)
		ctx.Response.Header.Set("Allow", "GET, HEAD")
		return
	case name == "log":
		c.log.answer(ctx)
		return
	case name == "":
		name = "index.html"
	}
	f, ok := served[name]
	if !ok {
		ctx.Error("not found", fasthttp.StatusNotFound)
		return
	}
	f.Answer(ctx)
}
