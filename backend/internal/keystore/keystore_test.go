package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/token"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func beginKeys(t *testing.T) []token.StoredKey {
	t.Helper()
	active, err := token.GenerateKey(token.EdDSA, now)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.BeginKeys(active, token.EdDSA, now)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func created(t *testing.T) (dir string, keys []token.StoredKey) {
	t.Helper()
	dir, keys = filepath.Join(t.TempDir(), "new", "keys"), beginKeys(t)
	if err := Create(dir, keys); err != nil {
		t.Fatal(err)
	}
	return dir, keys
}

func rotate(keys []token.StoredKey) ([]token.StoredKey, error) { return token.Rotate(keys, "", 0, now) }

// files lists what lies in dir.
func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestCreateAndChange(t *testing.T) {
	t.Parallel()
	dir, keys := created(t)
	got, err := Read(dir)
	if diff := cmp.Diff(keys, got); err != nil || diff != "" {
		t.Errorf("%v; the keys differ (-written +read):\n%s", err, diff)
	}
	if info, err := os.Stat(path(dir)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v (%v)", info.Mode(), err)
	}
	if err := Create(dir, beginKeys(t)); !errors.Is(err, ErrExists) {
		t.Errorf("a second Create: %v", err)
	}
	changed, err := Change(dir, rotate)
	if err != nil || len(changed) != 3 {
		t.Fatalf("%+v, %v", changed, err)
	}
	got, err = Read(dir)
	if diff := cmp.Diff(changed, got); err != nil || diff != "" {
		t.Errorf("%v; the keys differ (-written +read):\n%s", err, diff)
	}
	if got := files(t, dir); got != ".keys.json.lock keys.json" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestChangeKeepsTheMode(t *testing.T) {
	t.Parallel()
	dir, _ := created(t)
	if err := os.Chmod(path(dir), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Change(dir, rotate); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path(dir)); err != nil || info.Mode() != 0o640 {
		t.Errorf("the file's mode is %v (%v), want that of before", info.Mode(), err)
	}
}

func TestFailedChangesChangeNothing(t *testing.T) {
	t.Parallel()
	dir, _ := created(t)
	before, err := os.ReadFile(path(dir))
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	for name, change := range map[string]func([]token.StoredKey) ([]token.StoredKey, error){
		"an error": func([]token.StoredKey) ([]token.StoredKey, error) { return nil, boom },
		"no keys":  func([]token.StoredKey) ([]token.StoredKey, error) { return nil, nil },
		"a file that could not be read": func(keys []token.StoredKey) ([]token.StoredKey, error) {
			keys[1].State = token.StateActive
			return keys, nil
		},
	} {
		if _, err := Change(dir, change); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// While another command holds the lock.
	if _, err := Change(dir, func([]token.StoredKey) ([]token.StoredKey, error) {
		_, err := Change(dir, rotate)
		if !errors.Is(err, errBusy) {
			t.Errorf("two changes at once: %v", err)
		}
		return nil, err
	}); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(path(dir))
	if err != nil || string(after) != string(before) {
		t.Errorf("the file changed (%v)", err)
	}
	if got := files(t, dir); got != ".keys.json.lock keys.json" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestChangeWantsTheFileItself(t *testing.T) {
	t.Parallel()
	origin, _ := created(t)
	dir := t.TempDir()
	if _, err := Change(dir, rotate); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.Symlink(path(origin), path(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err != nil {
		t.Errorf("a link is not read: %v", err)
	}
	if _, err := Change(dir, rotate); err == nil || !strings.Contains(err.Error(), "where it comes from") {
		t.Errorf("a link is changed: %v", err)
	}
	if err := Create(dir, beginKeys(t)); !errors.Is(err, ErrExists) {
		t.Errorf("a link is written over: %v", err)
	}
	if _, err := Change(filepath.Join(dir, "gone"), rotate); err == nil {
		t.Error("no folder and no error")
	}
	if err := os.WriteFile(path(origin), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Change(origin, rotate); err == nil {
		t.Error("a bad file is changed")
	}
}

// TestReadersSeeWholeFiles reads while the keys change as fast as they can.
func TestReadersSeeWholeFiles(t *testing.T) {
	t.Parallel()
	dir, _ := created(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := Read(dir); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		if _, err := Change(dir, rotate); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}
