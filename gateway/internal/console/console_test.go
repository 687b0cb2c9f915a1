package console

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// Every file is served as what it is, under the policy.
func TestFiles(t *testing.T) {
	t.Parallel()
	c := New(nil)
	names := []string{""}
	entries, err := fs.ReadDir(files, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, name := range names {
		resp := get(c, Prefix+name)
		if resp.StatusCode() != fasthttp.StatusOK || len(resp.Body()) == 0 || len(resp.Header.ContentType()) == 0 {
			t.Errorf("%q: got %d, %d bytes of %q", name, resp.StatusCode(), len(resp.Body()), resp.Header.ContentType())
		}
		if got := string(resp.Header.Peek("Content-Security-Policy")); got != policy {
			t.Errorf("%q: the policy is %q", name, got)
		}
	}
	if got := string(get(c, Prefix).Header.ContentType()); got != "text/html; charset=utf-8" {
		t.Errorf("the page is %q", got)
	}
	for _, name := range []string{"nothing", "..%2fconsole.go", "page"} {
		if resp := get(c, Prefix+name); resp.StatusCode() != fasthttp.StatusNotFound || len(resp.Header.Peek("Content-Security-Policy")) == 0 {
			t.Errorf("%q: got %d, want 404 under the policy", name, resp.StatusCode())
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI(Prefix)
	New(nil).Handle(&ctx)
	if got := ctx.Response.StatusCode(); got != fasthttp.StatusMethodNotAllowed || string(ctx.Response.Header.Peek("Allow")) != "GET, HEAD" {
		t.Errorf("got %d, want 405 with Allow", got)
	}
}

// Nothing in the page leads to another host, is inline, or makes HTML of text.
func TestPageKeepsToItself(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`(?i)(src|href|from|import|url|fetch)\s*[=("'\x60 ]+(https?:)?//|<style|style=|\son[a-z]+=|innerHTML|insertAdjacentHTML|document\.write|\beval\b`)
	entries, err := fs.ReadDir(files, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := files.ReadFile("page/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if find := forbidden.Find(content); find != nil {
			t.Errorf("%s has %q", e.Name(), find)
		}
		if strings.Contains(string(content), "<script>") {
			t.Errorf("%s has an inline script", e.Name())
		}
	}
}
