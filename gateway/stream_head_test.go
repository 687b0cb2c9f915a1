package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A client learns of an answer when its backend does: the head does not wait for
// the body, nor one part of the body for the next.
func TestStreamHeadsArriveBeforeTheirBodies(t *testing.T) {
	t.Parallel()
	const size = 100_000
	first, rest := noise(10), noise(size-10)
	for name, c := range map[string]struct {
		head  string
		parts [2]string // as the backend sends them
		early string    // sent with the head, before there is any data
	}{
		"of known length": {fmt.Sprintf("Content-Length: %d\r\n", size), [2]string{first, rest}, ""},
		"in chunks":       {"Transfer-Encoding: chunked\r\n", [2]string{inChunks(first, 10), inChunks(rest, 10_000) + "0\r\n\r\n"}, ""},
		"in a chunk that has begun": {"Transfer-Encoding: chunked\r\n",
			[2]string{first, "\r\n" + inChunks(rest, 10_000) + "0\r\n\r\n"}, "a\r\n"},
		"until the end": {"X-A: b\r\n", [2]string{first, rest}, ""},
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(name+" to HTTP/"+version, func(t *testing.T) {
				t.Parallel()
				more := make(chan struct{})
				defer close(more)
				r := newStreamRig(t, nil, func(f *far) {
					if f.next() == nil {
						return
					}
					f.say("HTTP/1.1 200 OK\r\n%s\r\n%s", c.head, c.early)
					for _, part := range c.parts {
						if _, ok := <-more; !ok {
							return
						}
						f.say("%s", part)
					}
				})
				conn := r.dial(t)
				if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
				response, err := http.ReadResponse(conn.reader, nil)
				if err != nil {
					t.Fatalf("without any of the body: %v", err)
				}
				more <- struct{}{}
				got := make([]byte, len(first))
				if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != first {
					t.Fatalf("first part %q, %v; want %q", got, err, first)
				}
				more <- struct{}{}
				if got, err := io.ReadAll(response.Body); err != nil || string(got) != rest {
					t.Errorf("the rest is %d bytes, %v; want %d", len(got), err, len(rest))
				}
				if line := r.idle(t, "/download")[0]; line["bytes_out"] != float64(size) || line["cut"] != nil {
					t.Errorf("access line %v", line)
				}
			})
		}
	}
}
