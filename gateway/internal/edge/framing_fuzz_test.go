package edge

import (
	"bufio"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/mutatetest"
)

var targetSeeds = []string{
	"/", "/a/b?c=d", "/%2E%2E/a", "/a//b", "/a%2Fb", "/a%252Fb", "/a%20b", "/a;b", "/..;/a", "/a/.%2e/b", "/a\\b", "/%C3%A9", "/a?b#c", "/%25",
}

func bytesOf(list []string) (seeds [][]byte) {
	for _, s := range list {
		seeds = append(seeds, []byte(s))
	}
	return seeds
}

// FuzzTarget checks that a target which passes means the same to everybody: it
// is its own normal form, whoever normalises it.
func FuzzTarget(f *testing.F) {
	for _, seed := range targetSeeds {
		f.Add(seed)
	}
	f.Fuzz(judgeTarget)
}

func TestChangedTargets(t *testing.T) {
	t.Parallel()
	mutatetest.Each(20_000, bytesOf(targetSeeds), func(target []byte) { judgeTarget(t, string(target)) })
}

func judgeTarget(t *testing.T, target string) {
	t.Helper()
	if targetFault([]byte(target)) != "" {
		return
	}
	p, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(p)
	if err != nil {
		t.Fatalf("%q passed, but cannot be decoded: %v", target, err)
	}
	// Dots and slashes were all there before decoding: cleaning changes
	// nothing but a trailing slash.
	if clean := path.Clean(decoded); clean != strings.TrimSuffix(decoded, "/") && clean != decoded {
		t.Errorf("%q decodes to %q, which cleans to %q", target, decoded, clean)
	}
	if strings.Count(decoded, "/") != strings.Count(p, "/") || strings.ContainsAny(decoded, "\\\x00\r\n") {
		t.Errorf("%q decodes to %q", target, decoded)
	}
	// Decoding what was decoded finds nothing new.
	if twice, err := url.PathUnescape(decoded); err == nil && twice != decoded {
		t.Errorf("%q decodes to %q and then to %q", target, decoded, twice)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatalf("%q passed, but net/url refuses it: %v", target, err)
	}
	if u.EscapedPath() != p || u.RawQuery != query || u.Host != "" || u.Fragment != "" {
		t.Errorf("%q is path %q, query %q, host %q to net/url", target, u.EscapedPath(), u.RawQuery, u.Host)
	}
	// fasthttp, which the backend may run on, must see the same path.
	var uri fasthttp.URI
	if err := uri.Parse([]byte("h"), []byte(target)); err != nil {
		t.Fatalf("%q passed, but fasthttp refuses it: %v", target, err)
	}
	if got := string(uri.Path()); got != decoded {
		t.Errorf("%q is %q to fasthttp, want %q", target, got, decoded)
	}
}

var fieldSeeds = []string{
	"Content-Length: 5\r\n", "X: 1\r\n 2\r\n", "X Y: 1\r\n", "X-Tenant-Id: a\r\nx-tenant-id: b\r\n", "Authorization:\r\n", "A: 1\nB: 2\r\n",
	"Transfer-Encoding: chunked\r\n", "Content-Type: a\r\nContent-Type: b\r\n", "Host : b\r\n", "Connection: close\r\n",
}

// FuzzFields checks the edge's own reading of header lines against fasthttp's:
// where both accept, they must agree about every field that decides something.
func FuzzFields(f *testing.F) {
	for _, seed := range fieldSeeds {
		f.Add(seed)
	}
	f.Fuzz(judgeFields)
}

func TestChangedFields(t *testing.T) {
	t.Parallel()
	mutatetest.Each(20_000, bytesOf(fieldSeeds), func(lines []byte) { judgeFields(t, string(lines)) })
}

func judgeFields(t *testing.T, lines string) {
	t.Helper()
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"))); err != nil {
		return
	}
	fields := &Fields{}
	if fields.read(h.RawHeaders()) != "" || fields.Twice {
		return
	}
	for name, got := range map[string][]byte{
		"Host": fields.Host, "Authorization": fields.Authorization, "Content-Type": fields.ContentType,
		"X-Tenant-Id": fields.TenantID, "X-Request-Id": fields.RequestID, "Origin": fields.Origin, "Content-Encoding": fields.ContentEncoding,
	} {
		if want := string(h.Peek(name)); string(got) != want {
			t.Errorf("%s is %q to the edge and %q to fasthttp in %q", name, got, want, lines)
		}
		if n := len(h.PeekAll(name)); n > 1 {
			t.Errorf("%s came %d times in %q", name, n, lines)
		}
	}
}
