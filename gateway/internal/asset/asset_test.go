package asset

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/valyala/fasthttp"
)

const text = "a { margin: 0 }\n"

func packed(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ask(f *File, headers ...string) *fasthttp.Response {
	var ctx fasthttp.RequestCtx
	for i := 0; i < len(headers); i += 2 {
		ctx.Request.Header.Add(headers[i], headers[i+1])
	}
	f.Answer(&ctx)
	return &ctx.Response
}

// A file comes in the form that the client takes, with a tag of its own, whether it
// was compressed before or is here.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, f := range Load(fstest.MapFS{
		"page/own.css":    {Data: []byte(text)},
		"lib/made.css.gz": {Data: packed(t, text)},
	}, "no-cache") {
		if name != "own.css" && name != "made.css" {
			t.Errorf("there is a file %q", name)
		}
		plain, small := ask(f), ask(f, "Accept-Encoding", "br, gzip")
		if got := string(plain.Body()); got != text || len(plain.Header.ContentEncoding()) > 0 {
			t.Errorf("%s: got %q in %q", name, got, plain.Header.ContentEncoding())
		}
		r, err := gzip.NewReader(bytes.NewReader(small.Body()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text || string(small.Header.ContentEncoding()) != "gzip" {
			t.Errorf("%s: got %q in %q, %v", name, got, small.Header.ContentEncoding(), err)
		}
		tag, other := string(plain.Header.Peek("Etag")), string(small.Header.Peek("Etag"))
		if len(tag) < 10 || tag == other || tag[0] != '"' || other[0] != '"' {
			t.Errorf("%s: the tags are %s and %s", name, tag, other)
		}
		for _, resp := range []*fasthttp.Response{plain, small} {
			if h := &resp.Header; string(h.ContentType()) != "text/css; charset=utf-8" || string(h.Peek("Vary")) != "Accept-Encoding" || string(h.Peek("Cache-Control")) != "no-cache" {
				t.Errorf("%s: the headers are %s", name, h)
			}
		}
	}
}

// A client that has the file is told so, and in no other case.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	f := New("text/plain", "no-cache", []byte(text))
	tag := string(ask(f).Header.Peek("Etag"))
	for want, lists := range map[int][][]string{
		fasthttp.StatusNotModified: {{tag}, {"W/" + tag}, {`"other", ` + tag}, {`"other"`, tag}, {"*"}},
		fasthttp.StatusOK:          {{}, {""}, {`"other", W/"another"`}, {strings.Trim(tag, `"`)}, {strings.Replace(tag, `"`, `"x`, 1)}},
	} {
		for _, list := range lists {
			var headers []string
			for _, line := range list {
				headers = append(headers, "If-None-Match", line)
			}
			resp := ask(f, headers...)
			if resp.StatusCode() != want || (len(resp.Body()) == 0) != (want == fasthttp.StatusNotModified) || string(resp.Header.Peek("Etag")) != tag {
				t.Errorf("with %q: got %d, %d bytes", list, resp.StatusCode(), len(resp.Body()))
			}
		}
	}
	if resp := ask(f, "If-None-Match", tag, "Accept-Encoding", "gzip"); resp.StatusCode() != fasthttp.StatusOK {
		t.Errorf("the tag of the other form: got %d", resp.StatusCode())
	}
}
