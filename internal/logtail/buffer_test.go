package logtail

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A buffer keeps what fits and leaves a gap in the positions for what does not.
func TestBuffer(t *testing.T) {
	t.Parallel()
	b := buffer{capacity: 3}
	var kept []bool
	for i := range 5 {
		kept = append(kept, b.add(fmt.Appendf(nil, "{\"n\":%d}\n", i), `,"instance":"x"`))
	}
	if diff := cmp.Diff([]bool{true, true, true, false, false}, kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []part{{at: 0, lines: 3, text: []byte("{\"n\":0,\"instance\":\"x\"}\n{\"n\":1,\"instance\":\"x\"}\n{\"n\":2,\"instance\":\"x\"}\n")}}
	if diff := cmp.Diff(want, b.take(), cmp.AllowUnexported(part{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A line that is too long is lost alone.
	long := []byte(`{"n":"` + strings.Repeat("x", MaxLine) + "\"}\n")
	if !b.add([]byte("{}\n"), "") || b.add(long, "") || !b.add([]byte("{}\n"), "") {
		t.Error("another line is lost than the long one")
	}
	want = []part{{at: 5, lines: 1, text: []byte("{}\n")}, {at: 7, lines: 1, text: []byte("{}\n")}}
	if diff := cmp.Diff(want, b.take(), cmp.AllowUnexported(part{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.take() != nil {
		t.Error("something is left")
	}
}

// A message has a bounded size, and messages go on where the last one ended.
func TestBufferSplitsMessages(t *testing.T) {
	t.Parallel()
	b := buffer{capacity: 100}
	text := []byte(`{"n":"` + strings.Repeat("x", MaxLine-20) + "\"}\n")
	for range 40 {
		b.add(text, "")
	}
	next := uint64(0)
	parts := b.take()
	for _, p := range parts {
		if p.at != next || len(p.text) > maxMessage || p.lines != strings.Count(string(p.text), "\n") {
			t.Errorf("a part at %d with %d lines, %d bytes; want it at %d", p.at, p.lines, len(p.text), next)
		}
		next += uint64(p.lines)
	}
	if next != 40 || len(parts) != 3 {
		t.Errorf("%d lines in %d parts", next, len(parts))
	}
}

// newReader returns a reader of a hub that nobody runs.
func newReader(t *testing.T, capacity int, f Filter) (*Hub, *Reader) {
	t.Helper()
	h := &Hub{capacity: capacity, changed: make(chan struct{}, 1), readers: map[*Reader]struct{}{}, next: map[string]uint64{}}
	r, ok := h.Open(f, 1)
	if !ok {
		t.Fatal("not opened")
	}
	return h, r
}

func message(name string, at uint64, lines ...string) string {
	return string(appendHead(nil, name, at)) + strings.Join(lines, "\n") + "\n"
}

// A reader that is slow loses what comes, and learns how much and where.
func TestReaderIsBounded(t *testing.T) {
	t.Parallel()
	h, r := newReader(t, 2, Filter{})
	for i := range 5 {
		h.deliver(message("p", uint64(i), fmt.Sprintf(`{"n":%d}`, i)))
	}
	<-r.Ready()
	if diff := cmp.Diff([]Item{{Line: `{"n":0}`}, {Line: `{"n":1}`}, {Dropped: 3}}, r.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.deliver(message("p", 5, `{"n":5}`))
	<-r.Ready()
	if diff := cmp.Diff([]Item{{Line: `{"n":5}`}}, r.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := h.Open(Filter{}, 1); ok {
		t.Error("there are more readers than there may be")
	}
	r.Close()
	if _, ok := h.Open(Filter{}, 1); !ok {
		t.Error("a reader that is closed still counts")
	}
}

// What is missing in the positions of a process was lost on the way.
func TestHubTellsOfGaps(t *testing.T) {
	t.Parallel()
	h, r := newReader(t, 10, Filter{Service: "gateway"})
	const one, other = `{"level":"INFO","service":"gateway"}`, `{"level":"INFO","service":"backend"}`
	h.deliver(message("p", 40, one, other)) // nobody knows what was before
	h.deliver(message("q", 7, other))
	h.deliver(message("p", 42, one))
	h.deliver(message("p", 50, one)) // 43 to 49 are missing
	h.deliver(message("q", 9, one))  // and 8 of another one
	h.deliver("no message")
	h.deliver("p 51")
	h.deliver(message("q", 3, one)) // which does not come about
	want := []Item{{Line: one}, {Line: one}, {Dropped: 7}, {Line: one}, {Dropped: 1}, {Line: one}, {Line: one}}
	if diff := cmp.Diff(want, r.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add(message("p", 12, "{}"))
	f.Fuzz(func(t *testing.T, text string) {
		name, at, lines, ok := parseHead(text)
		if again, n, rest, both := parseHead(string(appendHead(nil, name, at)) + lines); ok && (!both || again != name || n != at || rest != lines) {
			t.Errorf("%q: got %q %d %q", text, name, at, lines)
		}
	})
}
