package gateway

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// sent lists the fields that were sent, in order of their names.
func sent(h http.Header) string {
	var list []string
	for name, values := range h {
		if len(values) > 0 {
			list = append(list, fmt.Sprint(name, values))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestTrailersOfRequests(t *testing.T) {
	t.Parallel()
	type trailers struct {
		announced []string
		lines     string
		want      string // what the backend gets; "400" for a refusal, "none" for one before the body
	}
	cases := map[string]trailers{
		"announced":                       {[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\n", "X-Sum[5]"},
		"announced in other letters":      {[]string{"trailer: x-sum"}, "X-SUM: 5\r\n", "X-Sum[5]"},
		"announced on two lines":          {[]string{"Trailer: X-A", "Trailer: X-B ,X-C"}, "X-C: 3\r\nX-A: 1\r\nX-B: 2\r\n", "X-A[1] X-B[2] X-C[3]"},
		"repeated":                        {[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\nX-Sum: 6\r\n", "X-Sum[5 6]"},
		"announced and not sent":          {[]string{"Trailer: X-Sum"}, "", ""},
		"not announced":                   {nil, "X-Sum: 5\r\n", ""},
		"one of two announced":            {[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\nX-Other: 6\r\n", "X-Sum[5]"},
		"named in Connection":             {[]string{"Trailer: X-Sum", "Connection: X-Sum"}, "X-Sum: 5\r\n", ""},
		"a space in the name":             {[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\nX Sum: 5\r\n", "400"},
		"a space, not announced":          {nil, "X Sum: 5\r\n", "400"},
		"folded":                          {[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\n 6\r\n", "X-Sum[5 6]"},
		"announced X-Real-Ip and another": {[]string{"Trailer: X-Real-Ip"}, "X-Real-Ip: 192.0.2.7\r\nX-Sum: 5\r\n", "none"},
	}
	// What fasthttp refuses as a trailer, announced or sent.
	for _, name := range []string{
		"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Cookie", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip",
		"Connection", "TE", "Trailer", "Expect", "Content-Type", "Content-Encoding", "Proxy-Authorization",
	} {
		cases["announced "+name] = trailers{[]string{"Trailer: X-Sum, " + name}, "", "none"}
		cases[name] = trailers{[]string{"Trailer: X-Sum"}, "X-Sum: 5\r\n" + name + ": 1\r\n", "400"}
	}
	// What crosses neither as a header nor as a trailer, and what has to stand before
	// the body.
	for _, name := range []string{
		"X-Tenant-Id", "X-User-Id", "Forwarded", "True-Client-IP", "Via", "X-Request-Id", "X-Request-Timeout", "X-HTTP-Method-Override",
		"X-Original-URL", "X_Sum", "Upgrade", "If-Match", "If-None-Match", "Idempotency-Key", "Cache-Control", "Content-Language", "Origin",
	} {
		cases["announced "+name] = trailers{[]string{"Trailer: X-Sum, " + name}, "X-Sum: 5\r\n" + name + ": 1\r\n", "X-Sum[5]"}
	}
	got := make(chan string, 1)
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			announced := len(q.Trailer)
			if _, err := io.Copy(io.Discard, q.Body); err != nil {
				got <- "unfinished"
				return
			}
			if len(q.Trailer) > announced {
				got <- fmt.Sprint("not announced: ", q.Trailer)
			} else {
				got <- sent(q.Trailer)
			}
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	for name, c := range cases {
		for _, size := range []int{3, 70_000} {
			want := c.want
			switch {
			case want == "none":
			case size < 64<<10 && want != "400":
				want = "" // it goes on without chunks
			case size < 64<<10:
				want = "none" // it is read before a backend is asked
			case want == "400":
				want = "unfinished"
			}
			conn := r.dial(t)
			conn.say(t, r.head("POST /upload", append(c.announced, "Transfer-Encoding: chunked")...))
			// Where the announcement is refused the connection may end before this.
			_, _ = io.WriteString(conn, inChunks(noise(size), 9000)+"0\r\n"+c.lines+"\r\n")
			a := conn.answer(t, "POST")
			status := 200
			if c.want == "400" || c.want == "none" {
				status = 400
				conn.ended(t)
			}
			if a.status != status {
				t.Fatalf("%s, %d bytes: %d %s, want %d", name, size, a.status, a.body, status)
			}
			if want == "none" {
				continue
			}
			if trailer := <-got; trailer != want {
				t.Errorf("%s, %d bytes: the backend got the trailers %q, want %q", name, size, trailer, want)
			}
		}
	}
	select {
	case trailer := <-got:
		t.Errorf("the backend was asked once more: %q", trailer)
	default:
	}
}

func TestTrailersOfAnswers(t *testing.T) {
	t.Parallel()
	type trailers struct{ head, lines, want string }
	cases := map[string]trailers{
		"announced":              {"Trailer: X-Sum\r\n", "X-Sum: 5\r\n", "X-Sum[5]"},
		"announced on two lines": {"Trailer: X-A\r\ntrailer: x-b, X-C\r\n", "X-C: 3\r\nX-A: 1\r\nX-B: 2\r\n", "X-A[1] X-B[2] X-C[3]"},
		"repeated":               {"Trailer: X-Sum\r\n", "X-Sum: 5\r\nX-Sum: 6\r\n", "X-Sum[5 6]"},
		"announced and not sent": {"Trailer: X-Sum\r\n", "", ""},
		"not announced":          {"", "X-Sum: 5\r\n", ""},
		"one of two announced":   {"Trailer: X-Sum\r\n", "X-Other: 6\r\nX-Sum: 5\r\n", "X-Sum[5]"},
		"named in Connection":    {"Trailer: X-Sum\r\nConnection: X-Sum\r\n", "X-Sum: 5\r\n", ""},
		"a header, too":          {"Trailer: X-Head, X-Sum\r\n", "X-Head: trailer\r\nX-Sum: 5\r\n", "X-Sum[5]"},
		"an ETag":                {"Trailer: ETag\r\n", "ETag: \"5\"\r\n", `Etag["5"]`},
	}
	for _, name := range []string{
		"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Set-Cookie", "X-Forwarded-For", "X-Real-Ip", "Connection", "Trailer",
		"Content-Type", "Content-Encoding", "Cache-Control", "Vary", "Location", "Retry-After", "WWW-Authenticate", "Server", "Via", "Date",
		"X-Request-Id", "RateLimit", "Strict-Transport-Security", "Content-Security-Policy", "Access-Control-Allow-Origin", "Sunset",
	} {
		// An upright client refuses to hear of some of them, so nothing must be said.
		cases[name] = trailers{"Trailer: X-Sum, " + name + "\r\n", name + ": 1\r\nX-Sum: 5\r\n", "X-Sum[5]"}
	}
	answers := make(chan trailers, 1)
	r := newStreamRig(t, nil, func(f *far) {
		for f.next() != nil {
			c := <-answers
			f.say("HTTP/1.1 200 OK\r\nX-Head: head\r\nTransfer-Encoding: chunked\r\n%s\r\n%s0\r\n%s\r\n", c.head, inChunks("abc", 3), c.lines)
		}
	})
	conn := r.dial(t)
	for name, c := range cases {
		answers <- c
		conn.say(t, r.head("GET /download"))
		response := conn.open(t)
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != "abc" {
			t.Fatalf("%s: body %q, %v", name, body, err)
		}
		if got := sent(response.Trailer); got != c.want {
			t.Errorf("%s: the client got the trailers %q, want %q", name, got, c.want)
		}
		for header, want := range map[string]string{"X-Head": "head", "Cache-Control": "no-store"} {
			if got := response.Header.Get(header); got != want {
				t.Errorf("%s: %s = %q in the head, want %q", name, header, got, want)
			}
		}
	}
}
