// Package reference is the API reference, a page that shows the gateway's own
// document: Swagger UI, which is embedded and asks no other host for anything.
//
// Swagger UI is maintained, knows OpenAPI 3.1, and of those that do it is the one
// that works without inline styles, so under a policy that allows none.
package reference

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/problem"
)

//go:embed page swagger-ui/*.gz
var files embed.FS

// prefix is where the page's files are; the page itself is there without the slash.
const prefix = "/docs/"

const page = "index.html"

// Handle answers for the page and its files.
func Handle(ex *edge.Exchange) {
	name, isFile := strings.CutPrefix(string(ex.Path), prefix)
	if !isFile {
		name = page
	}
	f, ok := served[name]
	if !ok || isFile && name == page {
		ex.Refuse(problem.New(problem.NotFound))
		return
	}
	ex.Page = true
	f.answer(ex.Ctx)
}

// answer gives the file, which changes only with the program.
func (f *file) answer(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	packed := ctx.Request.Header.HasAcceptEncoding("gzip")
	tag := `"` + f.tag + `"`
	if packed {
		tag = `"` + f.tag + `-gzip"`
	}
	h.Set(fasthttp.HeaderETag, tag)
	h.Set(fasthttp.HeaderCacheControl, "public, max-age=3600")
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	switch {
	case edge.Unchanged(ctx, tag):
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	case packed:
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
		ctx.Response.SetBodyRaw(f.compressed)
	default:
		ctx.Response.SetBodyRaw(f.plain())
	}
	h.SetContentType(f.contentType)
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is a file of the page, compressed.
type file struct {
	contentType, tag string
	compressed       []byte
	plain            func() []byte
}

var served = load()

func load() map[string]*file {
	all := map[string]*file{}
	for _, directory := range []string{"page", "swagger-ui"} {
		entries, err := files.ReadDir(directory)
		if err != nil {
			panic(err) // it is embedded
		}
		for _, entry := range entries {
			content, err := files.ReadFile(directory + "/" + entry.Name())
			if err != nil {
				panic(err)
			}
			name, compressed := strings.CutSuffix(entry.Name(), ".gz")
			if !compressed {
				content = compress(content)
			}
			sum := sha256.Sum256(content)
			all[name] = &file{
				contentType: contentTypes[path.Ext(name)], tag: hex.EncodeToString(sum[:12]), compressed: content,
				plain: sync.OnceValue(func() []byte { return expand(content) }),
			}
		}
	}
	return all
}

// compress is for the few small files that are not in the repository that way.
func compress(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// expand is for the clients that take nothing compressed. It is kept, so that they
// cost no more than once.
func expand(content []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		panic(err) // a test reads them all
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return plain
}
