package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// attempt is a request as one of two backends got it.
type attempt struct {
	which int
	sent  string
	left  time.Duration
}

// pair is a gateway with two backends that share what they were asked. The first
// request of all gets what a test says and then the connection's end, others are
// answered.
type pair struct {
	*streamRig
	mu  sync.Mutex
	got []attempt
}

func newPair(t *testing.T, first string, pause time.Duration) *pair {
	t.Helper()
	p := &pair{}
	serve := func(which int) func(*far) {
		return func(f *far) {
			for q := f.next(); q != nil; q = f.next() {
				body, _ := io.ReadAll(q.Body)
				p.mu.Lock()
				p.got = append(p.got, attempt{which, fmt.Sprint(q.Method, q.URL, q.Header["X-Request-Id"], q.Header["Idempotency-Key"], string(body)), timeLeft(t, q)})
				n := len(p.got)
				p.mu.Unlock()
				if n == 1 {
					time.Sleep(pause)
					f.say("%s", first)
					return
				}
				f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	}
	p.streamRig = newStreamRig(t, func(c *Config) {
		ways(c)
		c.Proxy.Backends = []string{listenFar(t, serve(0)), listenFar(t, serve(1))}
	}, (*far).gone)
	return p
}

func TestSecondAttempts(t *testing.T) {
	t.Parallel()
	large := noise(70_000)
	for name, c := range map[string]struct {
		line, key, body string
		first           string // what comes back before the connection ends
		twice           bool
	}{
		"GET":                               {"GET /plain", "", "", "", true},
		"HEAD":                              {"HEAD /plain", "", "", "", true},
		"with a key that is honoured":       {"POST /keyed", "k-1", "abc", "", true},
		"with a key and a body of 64 KiB":   {"POST /keyed", "k-1", large[:64<<10], "", true},
		"with no key":                       {"POST /keyed", "", "abc", "", false},
		"with an empty key":                 {"POST /keyed", " ", "abc", "", false},
		"with a key that nobody looks at":   {"POST /plain", "k-1", "abc", "", false},
		"PUT":                               {"PUT /plain", "", "abc", "", false},
		"PUT with a key":                    {"PUT /plain", "k-1", "abc", "", false},
		"DELETE":                            {"DELETE /plain", "k-1", "", "", false},
		"with a key, its body streamed":     {"POST /keyed", "k-1", large, "", false},
		"GET when a byte came back":         {"GET /plain", "", "", "H", false},
		"with a key when a byte came back":  {"POST /keyed", "k-1", "abc", "H", false},
		"GET behind an interim answer":      {"GET /plain", "", "", "HTTP/1.1 103 Early Hints\r\n\r\n", false},
		"GET when half an answer came back": {"GET /plain", "", "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPair(t, c.first, 0)
			var headers []string
			if c.key != "" {
				headers = append(headers, "Idempotency-Key: "+c.key)
			}
			if c.body != "" {
				headers = append(headers, fmt.Sprint("Content-Length: ", len(c.body)))
			}
			conn := r.dial(t)
			conn.say(t, r.head(c.line, headers...)+c.body)
			status, attempts := 502, 1
			if c.twice {
				status, attempts = 200, 2
			}
			answer := conn.open(t)
			for answer.StatusCode == http.StatusEarlyHints {
				answer = conn.open(t)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if answer.StatusCode != status || len(r.got) != attempts {
				t.Fatalf("%d after %d attempts, want %d after %d", answer.StatusCode, len(r.got), status, attempts)
			}
			if c.twice && (r.got[0].which == r.got[1].which || r.got[0].sent != r.got[1].sent) {
				t.Errorf("the second attempt went to backend %d after %d; it is the same: %v", r.got[1].which, r.got[0].which, r.got[0].sent == r.got[1].sent)
			}
		})
	}
}

func TestSecondAttemptsAreToldWhatIsLeft(t *testing.T) {
	t.Parallel()
	const pause = 100 * time.Millisecond
	r := newPair(t, "", pause)
	if a := r.raw(t, r.head("GET /plain"), "GET"); a.status != 200 {
		t.Fatalf("answer = %d", a.status)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, second := r.got[0].left, r.got[1].left; second > first-pause {
		t.Errorf("told %v and, at least %v later, %v", first, pause, second)
	}
}

// Nothing was sent to a backend that takes no connection, so any request goes on
// to the next.
func TestUnsentRequestsGoElsewhere(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	good := listenFar(t, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			n, _ := io.Copy(io.Discard, q.Body)
			mu.Lock()
			asked[fmt.Sprint(q.Method, n)]++
			mu.Unlock()
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	const each = 4 // below what leaves a backend out
	for _, c := range []struct {
		method string
		size   int
	}{{"GET", 0}, {"POST", 3}, {"PUT", 3}, {"DELETE", 0}, {"POST", 100_000}} {
		r := newStreamRig(t, func(c *Config) {
			ways(c)
			c.Proxy.Backends = []string{deadAddr(t), deadAddr(t), deadAddr(t), good}
		}, (*far).gone)
		for range each {
			var headers []string
			if c.size > 0 {
				headers = []string{fmt.Sprint("Content-Length: ", c.size)}
			}
			if a := r.raw(t, r.head(c.method+" /plain", headers...)+noise(c.size), c.method); a.status != 200 {
				t.Errorf("%s of %d bytes = %d %s", c.method, c.size, a.status, a.body)
			}
		}
		mu.Lock()
		if n := asked[fmt.Sprint(c.method, c.size)]; n != each {
			t.Errorf("%s of %d bytes came %d times, want %d", c.method, c.size, n, each)
		}
		mu.Unlock()
	}
}

// A backend in trouble does not get twice the load.
func TestRetriesHaveABudget(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	attempts := 0
	r := newStreamRig(t, ways, func(f *far) {
		if f.next() != nil {
			mu.Lock()
			attempts++
			mu.Unlock()
		}
	})
	const requests = 200
	began := time.Now()
	for range requests {
		r.raw(t, r.head("GET /plain"), "GET").problem(t, 502, "bad_gateway")
	}
	mu.Lock()
	defer mu.Unlock()
	// A fifth, thirty besides, and a tenth of these is forgotten each second.
	most := requests/5 + 30
	most += (most/10 + 1) * int(time.Since(began)/time.Second+1)
	if retried := attempts - requests; retried < 30 || retried > most {
		t.Errorf("%d of %d requests were sent again, want 30 to %d", retried, requests, most)
	}
	if n := metricValue(t, r.rig, "gateway_proxy_retries_denied_total"); n == 0 {
		t.Error("those that were not are not counted")
	}
}

// deadAddr is an address that refuses connections.
func deadAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
