package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gatehouse/api"
)

// vendored are the files of swagger-ui-dist 5.35.0 as npm has them. `make
// vendor/swagger-ui` fetches them anew; put the sums of another version here.
var vendored = map[string]string{
	"swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
	"swagger-ui.css":       "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}

// content is a file as a client gets it that takes nothing compressed.
func content(name string) []byte {
	var ctx fasthttp.RequestCtx
	served[name].Answer(&ctx)
	return ctx.Response.Body()
}

// What others have written is here as they published it.
func TestVendoredFiles(t *testing.T) {
	t.Parallel()
	for name, want := range vendored {
		sum := sha256.Sum256(content(name))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has the sum %s, want %s", name, got, want)
		}
	}
}

// The contract lists the files that there are.
func TestServedFiles(t *testing.T) {
	t.Parallel()
	document := string(api.Document)
	for name := range served {
		if name != "index.html" && !regexp.MustCompile(`enum: \[.*\b`+regexp.QuoteMeta(name)+`\b.*\]`).MatchString(document) {
			t.Errorf("the contract has no %s", name)
		}
	}
}

// Our own part of the page leads to no other host, and has nothing inline.
func TestPageKeepsToItself(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`(?i)https?://|<style|style=|\son[a-z]+=|innerHTML|\beval\b|<script>`)
	for _, name := range []string{"index.html", "reference.js", "reference.css"} {
		if find := forbidden.Find(content(name)); find != nil {
			t.Errorf("%s has %q", name, find)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="docs/([^"]+)"`).FindAllSubmatch(content("index.html"), -1) {
		if served[string(m[1])] == nil {
			t.Errorf("the page asks for %s, which is not there", m[1])
		}
	}
	if strings.Count(string(content("index.html")), `"docs/`) != len(served)-1 {
		t.Error("the page does not load all there is")
	}
}
