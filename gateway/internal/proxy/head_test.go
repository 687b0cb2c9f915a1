package proxy

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"
)

func head(t testing.TB, built []byte) *http.Request {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(built))
	request, err := http.ReadRequest(reader)
	if err != nil {
		t.Fatalf("head %q: %v", built, err)
	}
	return request
}

func TestHead(t *testing.T) {
	t.Parallel()
	lines := strings.Join([]string{
		"Host: api.example.com:8443",
		"User-Agent: test",
		"Accept: application/json",
		"Authorization: Bearer t",
		"Content-Type: application/json",
		"Content-Length: 2",
		"If-Match: \"1\", \"2\"",
		"If-None-Match: *",
		"Idempotency-Key: k",
		"Cookie: a=1; b=2",
		"Accept-Language: pt-BR",
		"Accept-Language: en",
		"Connection: close, X-Secret",
		"Connection: x-other",
		"X-Secret: 1",
		"X-Other: 1",
		"Keep-Alive: timeout=5",
		"Proxy-Connection: keep-alive",
		"Proxy-Authorization: Basic eA==",
		"TE: trailers",
		"Trailer: X-T",
		"Upgrade: websocket",
		"Expect: 100-continue",
		"Via: 1.1 somebody",
		"X-Request-Id: mine-mine-mine",
		"X-Request-Timeout: 99999",
		"X-Forwarded-For: 203.0.113.1",
		"x-forwarded-for: 203.0.113.2",
		"X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example.com",
		"X-Forwarded-Prefix: /admin",
		"Forwarded: for=203.0.113.3",
		"X-Real-Ip: 203.0.113.4",
		"True-Client-IP: 203.0.113.5",
		"X-Tenant-Id: tenant2",
		"X-User-Id: root",
		"X_Forwarded_For: 203.0.113.6",
		"X-HTTP-Method-Override: DELETE",
		"X-Original-URL: /admin",
		"X-Forwarded: 203.0.113.7",
		"X-Forwarded-By-Somebody-With-A-Name-Longer-Than-The-Tables: 1",
		"Remote-User: root",
		"Client-IP: 203.0.113.8",
		"X-Auth-Request-Email: root@example.com",
		"X-WebAuth-User: root",
		"X-SSL-Client-Verify: SUCCESS",
		"X-Envoy-External-Address: 203.0.113.9",
		"X-Role: operator",
		"X-Rewrite-URL: /admin",
		"Proxy: http://evil.example.com",
		"X-A-Name-That-Is-Much-Longer-Than-Any-Other-Name-In-The-Tables: kept",
	}, "\r\n") + "\r\n"
	ex := exchange("POST", "/things/%20?a=b", lines, "{}")
	ex.Fields.Host = []byte("api.example.com:8443")
	ex.Fields.Connection = true
	ex.Secure = true
	got := head(t, append(appendHead(nil, authenticated(ex), "backend:8081", 2, 1500*time.Millisecond), "{}"...))
	if got.Method != "POST" || got.RequestURI != "/things/%20?a=b" || got.Host != "backend:8081" || got.ContentLength != 2 {
		t.Errorf("request line = %s %s, Host %s, Content-Length %d", got.Method, got.RequestURI, got.Host, got.ContentLength)
	}
	want := http.Header{
		"User-Agent":        {"test"},
		"Accept":            {"application/json"},
		"Accept-Language":   {"pt-BR", "en"},
		"Authorization":     {"Bearer t"},
		"Content-Type":      {"application/json"},
		"Content-Length":    {"2"},
		"If-Match":          {`"1", "2"`},
		"If-None-Match":     {"*"},
		"Idempotency-Key":   {"k"},
		"Cookie":            {"a=1; b=2"},
		"X-Request-Id":      {"0123456789abcdef"},
		"X-Request-Timeout": {"1500"},
		"X-Forwarded-For":   {"192.0.2.1"},
		"X-Real-Ip":         {"192.0.2.1"},
		"X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host":  {"api.example.com:8443"},
		"Forwarded":         {`for=192.0.2.1;proto=https;host="api.example.com:8443"`},
		"Via":               {"1.1 gatehouse"},
		"X-A-Name-That-Is-Much-Longer-Than-Any-Other-Name-In-The-Tables": {"kept"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}

	ex.Claims = nil
	if got := head(t, appendHead(nil, ex, "b", 0, 0)); got.Header.Get("Authorization") != "" {
		t.Error("Authorization that nobody verified crossed")
	}
	ex = exchange("GET", "/", "", "")
	ex.Client = netip.MustParseAddr("2001:db8::1")
	ex.ClientText = ex.Client.String()
	got = head(t, appendHead(nil, ex, "b", 0, 0))
	if v := got.Header.Get("Forwarded"); v != `for="[2001:db8::1]";proto=http` {
		t.Errorf("Forwarded = %s", v)
	}
	if got.Header.Get("X-Request-Timeout") != "1" || got.Header.Get("Content-Length") != "" {
		t.Errorf("headers = %v", got.Header)
	}
}

func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, raw(strings.Join([]string{
		"HTTP/1.1 201 Made",
		"Content-Type: application/json",
		"Content-Length: 2",
		"Location: /things/1",
		"ETag: \"1\"",
		"Idempotency-Replayed: true",
		"Content-Disposition: attachment; filename=\"contacts.csv\"; filename*=UTF-8''contatos%20%C3%A9.csv",
		"Last-Modified: Thu, 24 Dec 2026 18:00:00 GMT",
		"Set-Cookie: a=1",
		"Set-Cookie: b=2",
		"Content-Language: en",
		"Vary: Accept",
		"Connection: X-Secret",
		"Connection: x-other, keep-alive",
		"X-Secret: 1",
		"X-Other: 1",
		"Keep-Alive: timeout=5",
		"Upgrade: h2c",
		"Proxy-Authenticate: Basic",
		"Server: leaky/1.0",
		"X-Powered-By: leaky",
		"Via: 1.1 inner",
		"Alt-Svc: h3=\":443\"",
		"X-Request-Id: theirs",
		"RateLimit: \"theirs\";r=1",
		"Strict-Transport-Security: max-age=0",
		"Access-Control-Allow-Origin: *",
		"Access-Control-Allow-Credentials: true",
		"Retry-After: 7",
	}, "\r\n")+"\r\n\r\n{}"))
	p := newProxy(t, nil, u.addr)
	ex := exchange("POST", "/x", "", "")
	p.Handle(ex)
	var b bytes.Buffer
	if _, err := ex.Ctx.Response.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(&b), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	delete(response.Header, "Date")
	want := http.Header{
		"Content-Type":     {"application/json"},
		"Content-Length":   {"2"},
		"Location":         {"/things/1"},
		"Etag":             {`"1"`},
		"Last-Modified":    {"Thu, 24 Dec 2026 18:00:00 GMT"},
		"Set-Cookie":       {"a=1", "b=2"},
		"Content-Language": {"en"},
		"Vary":             {"Accept"},
		"Retry-After":      {"7"},

		"Idempotency-Replayed": {"true"},
		"Content-Disposition":  {`attachment; filename="contacts.csv"; filename*=UTF-8''contatos%20%C3%A9.csv`},
	}
	if diff := cmp.Diff(want, response.Header); diff != "" || response.Status != "201 Created" || response.Close {
		t.Errorf("%s, close %v; headers (-want +got):\n%s", response.Status, response.Close, diff)
	}
}

func TestHeadKeepsItsLength(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"))
	p := newProxy(t, nil, u.addr)
	for range 2 {
		ex := exchange("HEAD", "/x", "", "")
		p.Handle(ex)
		ex.Ctx.Response.SkipBody = true // as the server does
		var b bytes.Buffer
		if _, err := ex.Ctx.Response.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "Content-Length: 77\r\n") || !strings.HasSuffix(b.String(), "\r\n\r\n") {
			t.Errorf("HEAD:\n%s", b.String())
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// FuzzHead checks that whatever headers a client sends, the backend gets one
// request with the target that was checked, and none of what must not cross.
// net/http is the judge.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"Host: a\r\n", "Connection: close, x\r\nX: 1\r\n", "X-Forwarded-For: 1\r\nx-forwarded-for: 2\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "A: b\r\n\r\nGET / HTTP/1.1\r\n", "A:\r\n", "Connection: , ,\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		// What fasthttp's parser lets through is what the proxy can see.
		var request fasthttp.Request
		request.Header.DisableNormalizing()
		if err := request.Header.Read(bufio.NewReader(strings.NewReader("GET /x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"))); err != nil {
			return
		}
		ex := exchange("GET", "/x", "", "")
		ex.Fields.Raw = request.Header.RawHeaders()
		ex.Fields.Connection = true
		built := appendHead(nil, ex, "backend", 0, time.Second)
		reader := bufio.NewReader(bytes.NewReader(built))
		got, err := http.ReadRequest(reader)
		if err != nil {
			if strings.ContainsFunc(lines, func(r rune) bool { return r >= 0x80 }) {
				return // net/http is stricter than HTTP about other bytes
			}
			t.Fatalf("built %q: %v", built, err)
		}
		if got.RequestURI != "/x" || got.Host != "backend" || reader.Buffered() > 0 || got.ContentLength > 0 || len(got.TransferEncoding) > 0 {
			t.Errorf("built %q", built)
		}
		for name, want := range map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Request-Id": "0123456789abcdef", "X-Request-Timeout": "1000"} {
			if v := got.Header[name]; len(v) != 1 || v[0] != want {
				t.Errorf("%s = %q in %q", name, v, built)
			}
		}
		for _, name := range []string{"Connection", "Upgrade", "Te", "Authorization", "X-Tenant-Id", "Keep-Alive", "Expect"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%s crossed: %q", name, built)
			}
		}
	})
}

// FuzzAnswer feeds arbitrary bytes as a backend's answer. Whatever they are, the
// client gets one well-formed answer.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde",
		"HTTP/1.0 200\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 304 x\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, answer []byte, isHead bool) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = server.Write(answer)
			}
		}()
		defer client.Close()
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		ex := exchange(method, "/x", "", "")
		ex.Route.Timeout = time.Second
		dial := func(context.Context, string) (net.Conn, error) { return client, nil }
		p := New(Options{Config: Config{Backends: []string{"127.0.0.1:1"}, DialTimeout: time.Second, MaxConns: 1, HealthPath: "off"}, Dial: dial})
		defer p.Close()
		if p.Handle(ex); ex.Problem != nil {
			return
		}
		ex.Ctx.Response.SkipBody = isHead
		var b bytes.Buffer
		if _, err := ex.Ctx.Response.WriteTo(&b); err != nil {
			if !ex.Cut {
				t.Fatal(err)
			}
			return
		}
		reader := bufio.NewReader(&b)
		got, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q became %q: %v", answer, b.Bytes(), err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(got.Body); err != nil || reader.Buffered() > 0 || got.StatusCode < 200 {
			t.Errorf("%q became status %d and %d stray bytes (%v)", answer, got.StatusCode, reader.Buffered(), err)
		}
		for _, name := range []string{"Connection", "Upgrade", "Transfer-Encoding", "Server"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%s crossed: %q", name, answer)
			}
		}
	})
}

func BenchmarkHead(b *testing.B) {
	ex := authenticated(exchange("GET", "/api/v1/address-book/019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d",
		"Host: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer "+strings.Repeat("x", 500)+"\r\n", ""))
	ex.Fields.Host = []byte("localhost")
	var built []byte
	b.ReportAllocs()
	for b.Loop() {
		built = appendHead(built[:0], ex, "127.0.0.1:8081", 0, time.Second)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	u := newUpstream(b, ok(strings.Repeat("x", 300)))
	p := newProxy(b, nil, u.addr)
	ex := exchange("GET", "/x", "Host: localhost\r\nAccept: */*\r\n", "")
	b.ReportAllocs()
	for b.Loop() {
		ex.Ctx.Response.Reset()
		p.Handle(ex)
	}
	if ex.Problem != nil {
		b.Fatal(ex.Problem)
	}
}
