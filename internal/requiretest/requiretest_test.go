package requiretest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fake notes how a test ends that looks for a program.
type fake struct {
	testing.TB
	skipped, failed string
}

func (f *fake) Helper()                      {}
func (f *fake) Fatalf(_ string, args ...any) { f.failed = args[0].(string); runtime.Goexit() }
func (f *fake) Skipf(_ string, args ...any)  { f.skipped = args[0].(string); runtime.Goexit() }

// It is not parallel: it changes the environment.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	find := func(names ...string) (f fake, path string) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			path = Program(&f, "package", names...)
		}()
		<-done
		return f, path
	}
	for _, required := range []string{"", "1"} {
		t.Setenv(Variable, required)
		if f, path := find("gone", "there"); path != there || f.skipped+f.failed != "" {
			t.Errorf("%s=%s: found %q, %+v", Variable, required, path, f)
		}
		f, path := find("gone", "lost")
		if path != "" || (f.failed != "") != (required != "") || !strings.Contains(f.failed+f.skipped, "gone, lost") {
			t.Errorf("%s=%s: found %q, %+v", Variable, required, path, f)
		}
	}
}
