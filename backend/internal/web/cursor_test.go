package web

import (
	"encoding/base64"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

const (
	oldKey = "one-Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXo"
	newKey = "two-Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXo"
)

func newCursors(t testing.TB, keys string, now func() time.Time) *Cursors {
	t.Helper()
	c, err := NewCursors(CursorConfig{Keys: config.Secret(keys)}, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCursorsExpireAndRotate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	before := newCursors(t, oldKey, clock)
	sealed, err := before.seal([]byte("scope"), 7)
	if err != nil {
		t.Fatal(err)
	}
	open := func(c *Cursors, scope string) error {
		var got int
		err := c.open([]byte(scope), sealed, &got)
		if err == nil && got != 7 {
			t.Errorf("got %d", got)
		}
		return err
	}
	rotated := newCursors(t, newKey+", "+oldKey, clock)
	if err := open(rotated, "scope"); err != nil {
		t.Errorf("with the key in second place: %v", err)
	}
	for name, err := range map[string]error{
		"other scope": open(before, "scope2"),
		"other key":   open(newCursors(t, newKey, clock), "scope"),
	} {
		if !problem.Is(err, problem.InvalidCursor) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	now = now.Add(cursorLifetime)
	if err := open(before, "scope"); err != nil {
		t.Errorf("at its last moment: %v", err)
	}
	now = now.Add(time.Second)
	if err := open(before, "scope"); !problem.Is(err, problem.InvalidCursor) {
		t.Errorf("expired: got %v", err)
	}
}

func FuzzCursorOpen(f *testing.F) {
	c := newCursors(f, oldKey, time.Now)
	sealed, err := c.seal([]byte("scope"), "position")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		var position string
		err := c.open([]byte("scope"), text, &position)
		if err != nil {
			if !problem.Is(err, problem.InvalidCursor) {
				t.Errorf("got %v", err)
			}
			return
		}
		// Only what was sealed opens, and in one spelling only. Each fuzzing
		// process seals its own, so this cannot ask for the very same text.
		decoded, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || base64.RawURLEncoding.EncodeToString(decoded) != text || position != "position" {
			t.Errorf("%q was accepted as %q", text, position)
		}
	})
}
