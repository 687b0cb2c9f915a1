package logging

import (
	"log/slog"
	"strings"
	"testing"
)

func TestLibraryTellsTheFormatOnly(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		Library{log}.Printf("error when serving %q: %v", "a secret", "another secret")
	}
	if text := out.String(); strings.Count(text, `level=DEBUG msg=library format="error when serving %q: %v"`) != 1 || strings.Contains(text, "secret") {
		t.Errorf("got %s", text)
	}
}
