package edge

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/problem"
)

// ends is a body of x that ends with an error.
type ends struct {
	left int
	err  error
}

func (e *ends) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, e.err
	}
	n := min(len(p), e.left)
	copy(p, strings.Repeat("x", n))
	e.left -= n
	return n, nil
}

// What is read before the body is passed on, and how its end is told.
func TestBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent          int
		length, limit int64
		first         int  // read at once
		all           bool // which is all of it
		code          problem.Code
	}{
		"none":                          {0, 0, 100, 0, true, ""},
		"small":                         {7, 7, 7, 7, true, ""},
		"small, in chunks":              {7, -1, 7, 7, true, ""},
		"empty, in chunks":              {0, -1, 0, 0, true, ""},
		"read whole at most":            {WholeBody, WholeBody, 1 << 20, WholeBody, true, ""},
		"read whole at most, in chunks": {WholeBody, -1, 1 << 20, WholeBody, true, ""},
		"one more":                      {WholeBody + 1, WholeBody + 1, 1 << 20, 0, false, ""},
		"one more, in chunks":           {WholeBody + 1, -1, 1 << 20, WholeBody + 1, false, ""},
		"at the limit":                  {200_000, 200_000, 200_000, 0, false, ""},
		"at the limit, in chunks":       {200_000, -1, 200_000, WholeBody + 1, false, ""},
		"above a small limit":           {8, -1, 7, 8, false, problem.BodyTooLarge},
		"above the limit":               {200_001, -1, 200_000, WholeBody + 1, false, problem.BodyTooLarge},
		"far above the limit":           {1 << 20, -1, 200_000, WholeBody + 1, false, problem.BodyTooLarge},
		"too short":                     {6, 7, 100, 6, false, problem.BadFraming},
		"too short, streamed":           {199_999, 200_000, 1 << 20, 0, false, problem.BadFraming},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := NewBody(&ends{c.sent, io.EOF}, c.length, c.limit)
			first, all := b.Whole()
			if len(first) != c.first || all != c.all {
				t.Errorf("%d bytes at once, all %v; want %d, %v", len(first), all, c.first, c.all)
			}
			total := len(first)
			b.Stream(time.Now().Add(time.Minute))
			for buffer := make([]byte, 10_000); err == nil; {
				var n int
				n, err = b.Next(buffer)
				total += n
				if c.length == 0 {
					break // nobody asks for one that is not there
				}
			}
			var p *problem.Error
			switch {
			case c.code == "" && c.length != 0 && (!errors.Is(err, io.EOF) || total != c.sent || b.left()):
				t.Errorf("%d bytes and %v, left %v; want %d and the end", total, err, b.left(), c.sent)
			case c.code != "" && (!errors.As(err, &p) || p.Code != c.code):
				t.Errorf("error %v, want %s", err, c.code)
			case int64(total) > c.limit+1 || b.Read != int64(total):
				t.Errorf("%d bytes were passed on and %d read, of a limit of %d", total, b.Read, c.limit)
			}
		})
	}
}
