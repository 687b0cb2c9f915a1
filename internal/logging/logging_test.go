package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/config"
)

const (
	hashKey  = config.Secret("pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeUaT5o")
	otherKey = config.Secret("Zk3wPm8vXr1cNq6tYb9sLd4fHg7jQe2uAo5i")
)

// logged opens a log at a file, lets use write to it and returns what the file
// holds after the close.
func logged(t *testing.T, c Config, use func(*slog.Logger)) string {
	t.Helper()
	if c.File == "" {
		c.File = filepath.Join(t.TempDir(), "log")
	}
	log, closeLog, err := Open(c, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	use(log)
	if err := closeLog(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinesAreJSONInAFile(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "auto"} {
		text := logged(t, Config{Format: format}, func(log *slog.Logger) {
			log.With("request_id", "r-1").Info("request", "status", 200, "note", "a \"quoted\"\nline")
		})
		var got map[string]any
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("LOG_FORMAT=%s: %v in %q", format, err, text)
		}
		if _, ok := got["time"]; !ok {
			t.Errorf("LOG_FORMAT=%s: a line without its time: %s", format, text)
		}
		delete(got, "time")
		want := map[string]any{
			"level": "INFO", "msg": "request", "service": "gateway", "request_id": "r-1", "status": 200.0,
			"note": "a \"quoted\"\nline",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("LOG_FORMAT=%s: the line differs (-want +got):\n%s", format, diff)
		}
	}
}

func TestLinesAreTextWhenAskedFor(t *testing.T) {
	t.Parallel()
	text := logged(t, Config{Format: "text"}, func(log *slog.Logger) { log.Warn("disk is full", "free", 0) })
	want := regexp.MustCompile(`^time=\S+ level=WARN msg="disk is full" service=gateway free=0\n$`)
	if !want.MatchString(text) {
		t.Errorf("got %q, want a match of %v", text, want)
	}
}

func TestLevelIsTheLeastSevereThatIsWritten(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "dbg inf wrn err",
		slog.LevelInfo:  "inf wrn err",
		slog.LevelWarn:  "wrn err",
		slog.LevelError: "err",
	} {
		text := logged(t, Config{Level: level, Format: "text"}, func(log *slog.Logger) {
			log.Debug("dbg")
			log.Info("inf")
			log.Warn("wrn")
			log.Error("err")
		})
		var got []string
		for _, m := range regexp.MustCompile(`msg=(\w+)`).FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("LOG_LEVEL=%v: got %q, want %q", level, got, want)
		}
	}
}

func TestFileIsAppendedToAndNotForOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	c := Config{File: path, Format: "text"}
	logged(t, c, func(log *slog.Logger) { log.Info("before the restart") })
	text := logged(t, c, func(log *slog.Logger) { log.Info("after the restart") })
	if before, after := strings.Index(text, "before"), strings.Index(text, "after"); before < 0 || after < before {
		t.Errorf("got %q, want the lines of both runs", text)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if others := info.Mode().Perm() & 0o007; others != 0 {
		t.Errorf("the file's mode is %v, want nothing for others", info.Mode())
	}
}

func TestOpenNamesTheSettingOfAFileThatItCannotOpen(t *testing.T) {
	t.Parallel()
	log, closeLog, err := Open(Config{File: filepath.Join(t.TempDir(), "no", "such", "folder")}, "gateway")
	if err == nil || !strings.Contains(err.Error(), "LOG_FILE") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want an error that names LOG_FILE", err)
	}
	if log != nil || closeLog != nil {
		t.Error("a logger comes with the error")
	}
}

// TestLinesGoToStandardErrorByDefault is not parallel: it puts a pipe in the
// place of the process's standard error.
func TestLinesGoToStandardErrorByDefault(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = stderr }()

	log, closeLog, err := Open(Config{Format: "auto"}, "backend")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("ready")
	if err := closeLog(); err != nil {
		t.Error(err)
	}
	// Closing the log does not close standard error: a panic's trace goes there.
	if _, err := io.WriteString(w, "still open"); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	var got struct{ Msg, Service string }
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("a pipe is no terminal, so JSON is wanted: %v in %q", err, line)
	}
	if got.Msg != "ready" || got.Service != "backend" || string(rest) != "still open" {
		t.Errorf("got %q", text)
	}
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		given, want string
	}{
		{"LOG_LEVEL=debug", ""},
		{"LOG_LEVEL=WARN", ""},
		{"LOG_FORMAT=text", ""},
		{"LOG_FORMAT=json", ""},
		{"LOG_HASH_KEY=" + hashKey.Reveal(), ""},
		{"LOG_LEVEL=loud", `LOG_LEVEL is "loud"; debug, info, warn or error is wanted`},
		{"LOG_FORMAT=xml", `LOG_FORMAT is "xml"; auto, json or text is wanted`},
		{"LOG_HASH_KEY=short", "LOG_HASH_KEY has 5 bytes; at least 32 random bytes are wanted"},
	} {
		t.Run(c.given, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := config.Load(&process{}, []string{c.given}); err != nil {
				got = err.Error()
			}
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

type process struct{ Log Config }

func (p *process) Validate(m *config.Mistakes) {
	m.Mode(config.Production)
	p.Log.Validate(m)
}

func TestTenantHashIsKeyed(t *testing.T) {
	t.Parallel()
	c := Config{HashKey: hashKey}
	// The first 8 bytes of HMAC-SHA256, as any tool computes it: operators look
	// a tenant up by it.
	if got, want := c.TenantHash("tenant1"), "b1f7340988e900d5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.TenantHash("tenant1") == c.TenantHash("tenant2") {
		t.Error("two tenants share a hash")
	}
	if other := (&Config{HashKey: otherKey}); c.TenantHash("tenant1") == other.TenantHash("tenant1") {
		t.Error("the hash does not depend on the key")
	}
}

func TestTenantsDoNotAppearWithoutAKey(t *testing.T) {
	t.Parallel()
	if got := (&Config{}).TenantHash("tenant1"); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	if got := (&Config{HashKey: hashKey}).TenantHash(""); got != "" {
		t.Errorf("no tenant has the hash %q, want none", got)
	}
}
