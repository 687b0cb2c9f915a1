package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoot(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(inside, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	if got, err := Root(); err == nil || !strings.Contains(err.Error(), "there is no go.work") {
		t.Errorf("Root = %s, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.work"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Root(); got != root || err != nil {
		t.Errorf("Root = %s, %v, want %s", got, err, root)
	}
}

// A build that fails shows what the compiler says.
func TestBuildPrograms(t *testing.T) {
	ready := os.Getenv("GATEHOUSE_BIN")
	if got, err := buildPrograms(t.Context(), "", nil); got != ready || err != nil {
		t.Errorf("with GATEHOUSE_BIN: %s, %v", got, err)
	}
	t.Setenv("GATEHOUSE_BIN", t.TempDir())
	if _, err := buildPrograms(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "holds no program gateway") {
		t.Errorf("with an empty GATEHOUSE_BIN: %v", err)
	}

	t.Setenv("GATEHOUSE_BIN", "")
	root := t.TempDir()
	program := "package main\n\nfunc main() {}\n"
	for name, content := range map[string]string{
		"go.work":                     "go 1.26.0\n\nuse .\n",
		"go.mod":                      "module example\n\ngo 1.26.0\n",
		"gateway/cmd/gateway/main.go": program,
		"backend/cmd/backend/main.go": program,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	dir := filepath.Join(t.TempDir(), "bin")
	if got, err := buildPrograms(t.Context(), dir, nil); got != dir || err != nil {
		t.Fatalf("buildPrograms = %s, %v", got, err)
	}
	for _, name := range []string{"gateway", "backend"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "backend/cmd/backend/main.go"), []byte("package main\n\nfunc main() { oops }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := buildPrograms(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "undefined: oops") {
		t.Errorf("a program with a mistake: %v", err)
	}
}
