package logging

import (
	"errors"
	"fmt"
	"testing"
)

func TestPanickedTellsNoText(t *testing.T) {
	t.Parallel()
	var none map[string]int
	for name, c := range map[string]struct {
		run  func()
		want string
	}{
		"a string":  {func() { panic("Bearer secret") }, "a panic with a value of type string"},
		"an error":  {func() { panic(errors.New("no token secret")) }, "a panic with a value of type *errors.errorString"},
		"the map":   {func() { none["secret"] = 1 }, "assignment to entry in nil map"},
		"the index": {func() { _ = []byte("secret")[len(none)+7] }, "runtime error: index out of range [7] with length 6"},
		"wrapped": {func() {
			defer func() { panic(fmt.Errorf("secret: %w", recover().(error))) }()
			_ = []byte("secret")[len(none)+7]
		}, "runtime error: index out of range [7] with length 6"},
	} {
		func() {
			defer func() {
				if got := Panicked(recover()); got != c.want {
					t.Errorf("%s: got %q, want %q", name, got, c.want)
				}
			}()
			c.run()
		}()
	}
}
