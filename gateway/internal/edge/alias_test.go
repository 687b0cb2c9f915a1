package edge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

func TestCompatConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ alias, sunset, want string }{
		{"on", "2027-12-31", ""},
		{"off", "2027-12-31", ""},
		{"on", "2026-11-01", ""},
		{"on", "9999-12-31", ""},
		{"on", "2026-10-31", "COMPAT_SUNSET is 2026-10-31; 2026-11-01, when the aliases became deprecated, or later is wanted"},
		{"off", "2026-10-31", "COMPAT_SUNSET is 2026-10-31; 2026-11-01, when the aliases became deprecated, or later is wanted"},
		{"true", "2027-12-31", `COMPAT_ALIAS is "true"; on or off is wanted`},
		{"ON", "2027-12-31", `COMPAT_ALIAS is "ON"; on or off is wanted`},
		{"on", "2027-02-29", `COMPAT_SUNSET is "2027-02-29"; a date such as 2027-12-31 is wanted`},
		{"on", "20271231", `COMPAT_SUNSET is "20271231"; a date such as 2027-12-31 is wanted`},
		{"on", "2027-12-31T00:00:00Z", `COMPAT_SUNSET is "2027-12-31T00:00:00Z"; a date such as 2027-12-31 is wanted`},
	} {
		got := ""
		var compat CompatConfig
		if err := config.Load(&compat, []string{"COMPAT_ALIAS=" + c.alias, "COMPAT_SUNSET=" + c.sunset}); err != nil {
			_, got, _ = strings.Cut(err.Error(), "\n  ")
		} else if compat.On() != (c.alias == "on") || compat.Sunset.String() != c.sunset {
			t.Errorf("%s, %s was read as %+v", c.alias, c.sunset, compat)
		}
		if got != c.want {
			t.Errorf("%s, %s: got %q, want %q", c.alias, c.sunset, got, c.want)
		}
	}
	var byDefault CompatConfig
	if err := config.Load(&byDefault, nil); err != nil || !byDefault.On() {
		t.Errorf("defaults = %+v, %v", byDefault, err)
	}
	if promised := deprecated.AddDate(0, 0, 180); byDefault.Sunset.Before(promised) {
		t.Errorf("by default the aliases end on %v, before the promised %v", byDefault.Sunset, promised)
	}
}

// TestCheckedRequestsAllocateNothing holds what the steps about aliases and
// roles may cost a request that they let pass. It is not parallel: AllocsPerRun
// counts what the whole process allocates.
func TestCheckedRequestsAllocateNothing(t *testing.T) {
	table, err := route.Compile([]byte(`
openapi: 3.1.0
info: {title: Things, version: '1'}
x-alias: {from: /api/, to: /api/v1/}
paths:
  /api/v1/things:
    get:
      x-rate-class: admin
      x-role: admin
      responses: {'200': {description: ok}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var compat CompatConfig
	if err := config.Load(&compat, nil); err != nil {
		t.Fatal(err)
	}
	aliases := NewAliases(table, compat, func() time.Time { return deprecated })
	passed := 0
	handler := Chain(func(*Exchange) { passed++ }, aliases.Announce(), Route(table, aliases), Authorize())
	for path, links := range map[string]string{"/api/v1/things": "", "/api/things": `</api/v1/things>; rel="successor-version"`} {
		ex := &Exchange{
			Ctx: &fasthttp.RequestCtx{}, Method: []byte("GET"), Path: []byte(path), Claims: &token.Claims{Role: token.Operator},
		}
		handler(ex)
		if got := string(ex.Ctx.Response.Header.Peek("Link")); passed == 0 || got != links {
			t.Errorf("GET %s passed %d times, with Link %q", path, passed, got)
		}
		if n := testing.AllocsPerRun(200, func() {
			ex.Ctx.Response.Reset()
			handler(ex)
		}); n != 0 {
			t.Errorf("GET %s: %v allocations, want none", path, n)
		}
	}
}

// FuzzAnnounce checks that whatever path a client finds an alias at, the link is
// one reference to the same path under the other prefix.
func FuzzAnnounce(f *testing.F) {
	for _, seed := range []string{"7", "a%20b", "%3E;rel=x", "a>;rel=\"b", "é", "..", "a;b,c", "7?a=>", ""} {
		f.Add(seed)
	}
	table, err := route.Compile([]byte(`
openapi: 3.1.0
info: {title: Things, version: '1'}
x-alias: {from: /api/, to: /api/v1/}
paths:
  /api/v1/things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      x-rate-class: read
      responses: {'200': {description: ok}}
`))
	if err != nil {
		f.Fatal(err)
	}
	aliases := NewAliases(table, CompatConfig{}, func() time.Time { return deprecated })
	handler := Chain(func(*Exchange) {}, aliases.Announce(), Framing(), Route(table, aliases))
	f.Fuzz(func(t *testing.T, id string) {
		target := "/api/things/" + id
		path, _, _ := strings.Cut(target, "?")
		ex := &Exchange{Ctx: &fasthttp.RequestCtx{}, Method: []byte("GET"), Target: []byte(target), Path: []byte(path)}
		ex.Ctx.Request.Header.SetProtocol("HTTP/1.1")
		handler(ex)
		got, want := string(ex.Ctx.Response.Header.Peek("Link")), ""
		if ex.Alias {
			want = fmt.Sprintf(`</api/v1/things/%s>; rel="successor-version"`, strings.TrimPrefix(path, "/api/things/"))
		}
		if got != want || strings.Count(got, ">") > 1 || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("GET %s: Link = %q, want %q", target, got, want)
		}
	})
}
