package gateway

import (
	"io"
	"strings"
	"testing"
)

func TestExpectIsMetAfterAllSteps(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			_, _ = io.Copy(io.Discard, q.Body)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	conn := r.dial(t)
	conn.say(t, strings.Replace(r.head("POST /upload", "Content-Length: 200000", "Expect: 100-continue"), r.signed, "x", 1))
	conn.answer(t, "POST").problem(t, 401, "unauthenticated")
	conn.ended(t)

	conn = r.dial(t)
	for range 2 { // the connection lives on
		conn.say(t, r.head("POST /upload", "Content-Length: 200000", "Expect: 100-continue"))
		line, err := conn.reader.ReadString('\n')
		empty, _ := conn.reader.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" {
			t.Fatalf("got %q%q, %v", line, empty, err)
		}
		conn.say(t, noise(200_000))
		if a := conn.answer(t, "POST"); a.status != 200 {
			t.Fatalf("answer = %d %s", a.status, a.body)
		}
	}
	if lines := r.idle(t, "/upload"); len(lines) != 3 {
		t.Errorf("%d lines, want 3", len(lines))
	}

	conn = r.dial(t)
	conn.say(t, r.head("POST /bounded", "Content-Length: 100000", "Expect: 100-continue"))
	if _, err := io.ReadFull(conn.reader, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if line := r.idle(t, "/bounded")[0]; line["status"] != 400.0 {
		t.Errorf("who goes after the 100 leaves the line %v", line)
	}
}

func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) {
		for f.next() != nil {
			f.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	get := r.head("GET /download")
	conn := r.dial(t)
	conn.say(t, get)
	if hint := conn.open(t); hint.StatusCode != 103 || hint.Header.Get("Link") != "</a>" {
		t.Errorf("got %d %v", hint.StatusCode, hint.Header)
	}
	if a := conn.answer(t, "GET"); a.status != 200 {
		t.Errorf("got %d", a.status)
	}
	conn = r.dial(t)
	conn.say(t, strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1))
	if a := conn.answer(t, "GET"); a.status != 200 {
		t.Errorf("a client of HTTP/1.0 got %d", a.status)
	}
	conn = r.dial(t)
	conn.say(t, get+get)
	for i, want := range []int{103, 200, 200} { // the answer to the first may wait for the second's
		if got := conn.open(t); got.StatusCode != want {
			t.Fatalf("answer %d to two requests at once = %d, want %d", i, got.StatusCode, want)
		} else if want == 200 {
			_, _ = io.Copy(io.Discard, got.Body)
		}
	}
}
