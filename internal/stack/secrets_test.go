package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretsAreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	first, err := openSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range first.fields() {
		if other, ok := seen[*f.value]; ok {
			t.Errorf("%s and %s are the same", f.file, other)
		}
		seen[*f.value] = f.file
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`).MatchString(*f.value) {
			t.Errorf("%s is %q", f.file, *f.value)
		}
		info, err := os.Stat(filepath.Join(dir, f.file))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v %v, want mode 0600", f.file, info, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "log_hash_key")); err != nil {
		t.Fatal(err)
	}
	again, err := openSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.LogHash == first.LogHash {
		t.Error("a removed secret came back")
	}
	again.LogHash = first.LogHash
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second start has other secrets (-first +second):\n%s", diff)
	}
}

func TestUnusableSecrets(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"short": func(path string) error { return os.Truncate(path, 5) },
		"directory": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
	} {
		dir := t.TempDir()
		if _, err := openSecrets(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "jwt_secret")
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		_, err := openSecrets(dir)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "`make clean`") {
			t.Errorf("%s: %v, want the path and `make clean` in the message", name, err)
		}
	}
}

func TestUserPasswords(t *testing.T) {
	t.Parallel()
	for range 100 {
		p := randomPassword()
		for _, rule := range []string{`[A-Z]`, `[a-z]`, `[0-9]`, `^.{8,64}$`} {
			if !regexp.MustCompile(rule).MatchString(p) {
				t.Fatalf("%q does not match %s", p, rule)
			}
		}
	}
}

func TestDerivedRolePasswords(t *testing.T) {
	t.Parallel()
	a, b, c := newSecrets(), newSecrets(), newSecrets()
	a.deriveRoles("one server")
	b.deriveRoles("one server")
	c.deriveRoles("another")
	if a.OwnerPassword != b.OwnerPassword || a.AppPassword != b.AppPassword || a.MaintPassword != b.MaintPassword {
		t.Error("two stacks of one server disagree on its roles' passwords")
	}
	if a.OwnerPassword == a.AppPassword || a.AppPassword == a.MaintPassword || a.AppPassword == c.AppPassword {
		t.Error("passwords repeat")
	}
}
