package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/mutatetest"
	"gatehouse/internal/requestid"
	"gatehouse/internal/token"
)

// memoryRig is a gateway whose clients and backend are in memory.
type memoryRig struct {
	clients chan net.Conn
	backend *strictBackend
	token   string
}

// Accept implements net.Listener.
func (r *memoryRig) Accept() (net.Conn, error) {
	if conn, ok := <-r.clients; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Addr implements net.Listener.
func (r *memoryRig) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// Close implements net.Listener. Run closes it, more than once.
func (r *memoryRig) Close() error { return nil }

func newMemoryRig(t testing.TB) *memoryRig {
	t.Helper()
	r := &memoryRig{clients: make(chan net.Conn), backend: &strictBackend{}}
	c := testConfig()
	c.Proxy.Backends = []string{"127.0.0.1:1"} // never dialled
	c.Redis.URL = config.Secret("redis://" + miniredis.RunT(t).Addr())
	keys := token.NewKeyring(c.Token, time.Now)
	g, err := New(Options{
		Config: c, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), HTTPListener: r,
		Dial: func(context.Context, string) (net.Conn, error) {
			gatewaySide, backendSide := net.Pipe()
			go r.backend.serve(backendSide)
			return gatewaySide, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.token = sign(t, keys, "tenant1", uuid.New())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		close(r.clients)
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// script is a client's connection: what it sends is known before, and it reads
// nothing until it is closed.
type script struct {
	net.Conn
	in     *bytes.Reader
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (s *script) LocalAddr() net.Addr              { return s.RemoteAddr() }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// placeholder stands for a token in what a fuzz test is fed, since a real one
// would have expired when it is fed again.
const placeholder = "TOKEN"

// send passes bytes to the gateway as one client's connection and returns what
// came back until it was closed, and what the backend got.
func (r *memoryRig) send(t *testing.T, in []byte) (out []byte, got []message) {
	t.Helper()
	s := &script{in: bytes.NewReader(in), closed: make(chan struct{})}
	r.clients <- s
	select {
	case <-s.closed:
	case <-time.After(30 * time.Second):
		t.Fatalf("the connection is still open after %q", in)
	}
	got, faults := r.backend.take()
	if len(faults) > 0 {
		t.Errorf("the backend got what is not HTTP: %v", faults)
	}
	return s.out.Bytes(), got
}

// judge sends what a client could and holds both sides of the gateway against
// what a strict reader understands of it.
func (r *memoryRig) judge(t *testing.T, in []byte) {
	t.Helper()
	in = bytes.ReplaceAll(in, []byte(placeholder), []byte(r.token))
	asked := understood(in)
	out, got := r.send(t, in)

	// What the backend got is some of what was asked, in its order.
	rest := asked
	for _, m := range got {
		i := 0
		for i < len(rest) && rest[i].String() != m.String() {
			i++
		}
		if i == len(rest) {
			t.Fatalf("the backend got %q, which is not among %q", m, asked)
		}
		checkForwarded(t, m, rest[i], r.token)
		rest = rest[i+1:]
	}
	answers := readAnswers(t, out, asked)
	if len(answers) > len(asked)+1 {
		t.Errorf("%d answers to %d requests", len(answers), len(asked))
	}
	for i, a := range answers {
		if a.StatusCode == http.StatusBadRequest && (!a.Close || i < len(answers)-1) {
			t.Errorf("answer %d of %d is 400 and the connection goes on", i+1, len(answers))
		}
		if a.StatusCode >= 500 {
			t.Errorf("answer %d is %s", i+1, a.Status)
		}
	}
}

// understood reads requests up to the first that is none. A chunked one is the
// last of them: what comes with it is refused.
func understood(in []byte) (list []message) {
	g := grammar{from: bufio.NewReader(bytes.NewReader(in)), lax: true}
	for {
		m, err := g.next()
		if err != nil {
			return list
		}
		if list = append(list, m); len(m.values("Transfer-Encoding")) > 0 {
			return list
		}
	}
}

// readAnswers reads all answers; the interim ones are left out.
func readAnswers(t *testing.T, out []byte, asked []message) (list []*http.Response) {
	t.Helper()
	for rest := out; len(rest) > 0; {
		method := http.MethodGet
		if len(list) < len(asked) {
			method = asked[len(list)].method
		}
		a, after, err := readOne(rest, method)
		if err != nil && len(list) >= len(asked) { // of a request that is not understood
			a, after, err = readOne(rest, http.MethodHead)
		}
		if err != nil {
			t.Fatalf("answer %d is broken: %v in %q", len(list)+1, err, out)
		}
		if rest = after; a.StatusCode >= 200 {
			list = append(list, a)
		}
	}
	return list
}

func readOne(b []byte, method string) (a *http.Response, after []byte, err error) {
	from := bytes.NewReader(b)
	reader := bufio.NewReader(from)
	if a, err = http.ReadResponse(reader, &http.Request{Method: method}); err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		return nil, nil, err
	}
	if after = b[len(b)-from.Len()-reader.Buffered():]; len(after) > 0 && !bytes.HasPrefix(after, []byte("HTTP/1.1 ")) {
		return nil, nil, errors.New("stray bytes behind it")
	}
	return a, after, nil
}

// checkForwarded holds the headers that a backend got against those that a
// client sent.
func checkForwarded(t *testing.T, got, asked message, signed string) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "http", "Via": "1.1 gatehouse",
	} {
		if v := got.values(name); len(v) != 1 || v[0] != want {
			t.Errorf("%s = %q, want %s once", name, v, want)
		}
	}
	if v := got.values(requestid.Header); len(v) != 1 || !requestid.Valid([]byte(v[0])) {
		t.Errorf("%s = %q", requestid.Header, v)
	}
	if n := len(got.values("X-Request-Timeout")) + len(got.values("Forwarded")); n != 2 {
		t.Errorf("X-Request-Timeout and Forwarded came %d times", n)
	}
	if v := got.values("Authorization"); len(v) > 1 || len(v) == 1 && !strings.HasSuffix(v[0], " "+signed) {
		t.Errorf("Authorization = %q", v)
	}
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Upgrade", "Expect", "Http2-Settings",
		"X-Tenant-Id", "X-User-Id", "X-Http-Method-Override", "X-Original-Url", "X-Rewrite-Url", "Proxy",
	} {
		if v := got.values(name); len(v) > 0 {
			t.Errorf("%s crossed: %q", name, v)
		}
	}
	// The rest is the client's, and so is its order.
	for _, h := range got.header {
		if strings.Contains(h[0], "_") {
			t.Errorf("%s crossed", h[0])
		}
		for _, option := range asked.values("Connection") {
			if strings.EqualFold(option, h[0]) && !strings.HasPrefix(strings.ToLower(h[0]), "x-") && !strings.EqualFold(h[0], "Forwarded") &&
				!strings.EqualFold(h[0], "Via") {
				t.Errorf("%s crossed, which Connection names", h[0])
			}
		}
	}
}

// FuzzFraming sends arbitrary bytes. Whatever they are, the backend gets only
// requests that a strict reader finds in them too, each well-framed, and the
// client as many well-framed answers.
func FuzzFraming(f *testing.F) {
	for _, seed := range framingSeeds() {
		f.Add(seed)
	}
	r := newMemoryRig(f)
	f.Fuzz(r.judge)
}

func TestChangedRequests(t *testing.T) {
	t.Parallel()
	r := newMemoryRig(t)
	mutatetest.Each(2000, framingSeeds(), func(in []byte) { r.judge(t, in) })
}

// framingSeeds are the short ones of wireCases.
func framingSeeds() (list [][]byte) {
	groups := wireCases(placeholder)
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		for _, c := range groups[group] {
			if len(c.bytes) < 1000 {
				list = append(list, []byte(c.bytes+nextRequest))
			}
		}
	}
	return list
}

// FuzzHeaders sends arbitrary header lines with a good request.
func FuzzHeaders(f *testing.F) {
	for _, seed := range headerSeeds() {
		f.Add(seed)
	}
	r := newMemoryRig(f)
	f.Fuzz(r.judgeHeaders)
}

func TestChangedHeaders(t *testing.T) {
	t.Parallel()
	r := newMemoryRig(t)
	mutatetest.Each(1000, headerSeeds(), func(lines []byte) { r.judgeHeaders(t, lines) })
}

func headerSeeds() (list [][]byte) {
	for _, seed := range []string{
		"", "Connection: close, x\r\nX: 1\r\n", "X-Forwarded-For: 1\r\nx-forwarded-for: 2\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"A: b\r\n\r\nGET / HTTP/1.1\r\n", "A:\r\n", "Connection: , ,\r\n", "X-Tenant-Id: tenant1\r\n", "Forwarded: for=1\r\nVia: x\r\n",
		"X_Forwarded_For: 1\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "TE: trailers\r\n", "X-Request-Id: 0123456789\r\n",
		"X-HTTP-Method-Override: DELETE\r\n", "Authorization: Bearer " + placeholder + "\r\n", "Origin: null\r\nIf-Match: *\r\n",
	} {
		list = append(list, []byte(seed))
	}
	return list
}

func (r *memoryRig) judgeHeaders(t *testing.T, lines []byte) {
	t.Helper()
	r.judge(t, slices.Concat([]byte("GET /things/7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+placeholder+"\r\n"), lines, []byte("\r\n")))
}

// FuzzAnswers has the backend answer with arbitrary bytes and then close. The
// client gets one well-formed answer with the edge's own headers.
func FuzzAnswers(f *testing.F) {
	for _, seed := range answerSeeds() {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	r := newMemoryRig(f)
	f.Fuzz(r.judgeAnswer)
}

func TestChangedAnswers(t *testing.T) {
	t.Parallel()
	r := newMemoryRig(t)
	head := false
	mutatetest.Each(1000, answerSeeds(), func(answer []byte) {
		head = !head
		r.judgeAnswer(t, answer, head)
	})
}

func answerSeeds() (list [][]byte) {
	for _, seed := range []string{
		usualAnswer,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde",
		"HTTP/1.0 200\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 304 x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nSet-Cookie: a=1\r\nConnection: X-A\r\nServer: s\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Content-Type-Options: x\r\nAccess-Control-Allow-Origin: *\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", "\r\n", "HTTP/1.1 99 x\r\n\r\n",
	} {
		list = append(list, []byte(seed))
	}
	return list
}

func (r *memoryRig) judgeAnswer(t *testing.T, answer []byte, head bool) {
	t.Helper()
	if len(answer) == 0 || string(answer) == usualAnswer {
		return
	}
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	r.backend.mu.Lock()
	r.backend.answer = string(answer)
	r.backend.mu.Unlock()
	out, got := r.send(t, []byte(method+" /probe HTTP/1.1\r\nHost: x\r\n\r\n"))
	if len(got) == 0 || len(got) > 2 { // once, and again where nothing came back
		t.Errorf("the backend got %q", got)
	}
	answers := readAnswers(t, out, []message{{method: method}})
	if len(answers) != 1 {
		t.Fatalf("%d answers: %q", len(answers), out)
	}
	a := answers[0]
	if v := a.Header["X-Content-Type-Options"]; len(v) != 1 || v[0] != "nosniff" {
		t.Errorf("X-Content-Type-Options = %q", v)
	}
	if v := a.Header[requestid.Header]; len(v) != 1 || !requestid.Valid([]byte(v[0])) {
		t.Errorf("%s = %q", requestid.Header, v)
	}
	for _, name := range []string{"Keep-Alive", "Upgrade", "Server", "Access-Control-Allow-Origin", "Strict-Transport-Security", "Proxy-Authenticate"} {
		if a.Header.Get(name) != "" {
			t.Errorf("%s crossed", name)
		}
	}
}
