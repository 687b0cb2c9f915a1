// Package asset answers with files that change with another start of the program at
// the earliest: those that are embedded, and the gateway's document. Clients get them
// compressed if they take that, and not again as long as they have them.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"
)

// File is a file with its two forms.
type File struct {
	contentType, cacheControl string
	plain, packed             form
}

type form struct {
	tag  string // strong, with its quotes
	body func() []byte
}

// New returns a file of content, which must not change afterwards.
func New(contentType, cacheControl string, content []byte) *File {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	return newFile(contentType, cacheControl, content, func() []byte { return content }, b.Bytes())
}

// newFile has the tags come from what is as it was given.
func newFile(contentType, cacheControl string, given []byte, plain func() []byte, packed []byte) *File {
	sum := sha256.Sum256(given)
	tag := hex.EncodeToString(sum[:12])
	return &File{
		contentType: contentType, cacheControl: cacheControl,
		plain:  form{`"` + tag + `"`, plain},
		packed: form{`"` + tag + `-gzip"`, func() []byte { return packed }},
	}
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Load returns the files of a tree by their names without folders, and without the
// .gz of those that are compressed already. It panics if one cannot be read, which
// can be said of none that is embedded.
func Load(tree fs.FS, cacheControl string) map[string]*File {
	files := map[string]*File{}
	err := fs.WalkDir(tree, ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, at)
		if err != nil {
			return err
		}
		name, packed := strings.CutSuffix(entry.Name(), ".gz")
		contentType := contentTypes[path.Ext(name)]
		if !packed {
			files[name] = New(contentType, cacheControl, content)
			return nil
		}
		// For the clients that take nothing compressed it is expanded once.
		plain := sync.OnceValue(func() []byte { return expand(content) })
		files[name] = newFile(contentType, cacheControl, content, plain, content)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return files
}

func expand(packed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // tests read them all
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return plain
}

// Answer gives the file, or says that the client's own is current.
func (f *File) Answer(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	form := f.plain
	packed := ctx.Request.Header.HasAcceptEncoding("gzip")
	if packed {
		form = f.packed
	}
	h.Set(fasthttp.HeaderETag, form.tag)
	h.Set(fasthttp.HeaderCacheControl, f.cacheControl)
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if unchanged(ctx, form.tag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	if packed {
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	h.SetContentType(f.contentType)
	ctx.Response.SetBodyRaw(form.body())
}

// unchanged tells whether the client has what tag names and asks only for something
// else. The comparison is the weak one that RFC 9110 section 13.1.2 demands: a proxy
// that compresses answers weakens tags.
func unchanged(ctx *fasthttp.RequestCtx, tag string) bool {
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderIfNoneMatch) {
		for candidate := range bytes.SplitSeq(line, []byte(",")) {
			got := strings.TrimSpace(string(candidate))
			if got == "*" || strings.TrimPrefix(got, "W/") == tag {
				return true
			}
		}
	}
	return false
}
