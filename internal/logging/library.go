package logging

import (
	"context"
	"log/slog"
)

// Library takes the lines of a library that knows Printf, such as an HTTP server,
// at level debug. It tells what kind of thing happened, which is the format, and
// nothing of what was put in its place: a library quotes requests, tokens and all.
type Library struct{ Log *slog.Logger }

// Printf writes the format as it is.
func (l Library) Printf(format string, _ ...any) {
	l.Log.LogAttrs(context.Background(), slog.LevelDebug, "library", slog.String("format", format))
}
