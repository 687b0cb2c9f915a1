package config_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/config"
)

// settings has a field of every kind that the two processes use, and two parts
// with a field of the same name.
type settings struct {
	AppEnv  string         `env:"APP_ENV" envDefault:"production" doc:"Mode" example:"production"`
	Name    string         `env:"NAME" envDefault:"gate" doc:"A name | with a bar."`
	Workers int            `env:"WORKERS" envDefault:"4" doc:"How many"`
	Bytes   int64          `env:"BYTES" envDefault:"9" doc:"How large"`
	Memory  uint32         `env:"MEMORY" envDefault:"19456" doc:"How much"`
	Ratio   float64        `env:"RATIO" envDefault:"0.5" doc:"Which part"`
	Open    bool           `env:"OPEN" envDefault:"true" doc:"Whether"`
	Hosts   []string       `env:"HOSTS" doc:"Which hosts" example:"a:1,b:2"`
	Proxies []netip.Prefix `env:"PROXIES" envDefault:"10.0.0.0/8" doc:"Which networks" kind:"a comma-separated list of networks"`
	Level   slog.Level     `env:"LEVEL" envDefault:"INFO" doc:"How loud" kind:"debug, info, warn or error"`
	Rate    rate           `env:"RATE" envDefault:"60/1m" doc:"How often" kind:"requests/period"`
	Cache   cache
	Store   store

	hidden string `env:"HIDDEN"` //nolint:unused // a field that Load must pass over
}

type cache struct {
	Timeout time.Duration `env:"CACHE_TIMEOUT" envDefault:"10ms" doc:"How long for the cache"`
}

type store struct {
	Timeout time.Duration `env:"STORE_TIMEOUT" envDefault:"5s" doc:"How long for the store"`
	Key     config.Secret `env:"STORE_KEY" doc:"Key of the store"`
	Backup  config.Secret `env:"BACKUP_KEY" doc:"Key of the backup"`
}

func (s *settings) Validate(m *config.Mistakes) {
	m.Mode(s.AppEnv)
	m.Range("WORKERS", s.Workers, 1, 64)
	m.Required("NAME", s.Name, "a name is wanted")
	m.Strong("STORE_KEY", s.Store.Key)
	if s.Store.Backup != "" {
		m.Strong("BACKUP_KEY", s.Store.Backup)
	}
}

// rate reads itself and says what is wrong with a value.
type rate struct{ text string }

type rateError string

func (e rateError) Error() string         { return "rate: " + string(e) }
func (e rateError) SettingReason() string { return string(e) }

func (r *rate) UnmarshalText(b []byte) error {
	if !strings.Contains(string(b), "/") {
		return rateError("the period is missing")
	}
	r.text = string(b)
	return nil
}

const (
	goodKey  = "pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeUaT5o"
	otherKey = "Zk3wPm8vXr1cNq6tYb9sLd4fHg7jQe2uAo5i"
)

// complete is what a start needs; pairs are added to it or replace it.
func complete(pairs ...string) []string {
	return append([]string{"STORE_KEY=" + goodKey}, pairs...)
}

// mistakes loads the settings and returns what is wrong with them.
func mistakes(t *testing.T, environ []string) string {
	t.Helper()
	err := config.Load(&settings{}, environ)
	if err == nil {
		t.Fatalf("Load(%q) found nothing wrong", environ)
	}
	var m *config.Mistakes
	if !errors.As(err, &m) {
		t.Fatalf("Load(%q) = %T, want *config.Mistakes", environ, err)
	}
	return err.Error()
}

func TestLoadReadsEveryKind(t *testing.T) {
	t.Parallel()
	var got settings
	err := config.Load(&got, complete(
		"APP_ENV=development", "NAME=a=b", "WORKERS=8", "BYTES=-1", "MEMORY=8", "RATIO=2.5", "OPEN=false",
		"HOSTS=a:1,b:2", "PROXIES=10.0.0.0/8,::1/128", "LEVEL=debug", "RATE=5/1s", "CACHE_TIMEOUT=1s", "STORE_TIMEOUT=2s",
		"HIDDEN=x", "UNKNOWN=x"))
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		AppEnv: "development", Name: "a=b", Workers: 8, Bytes: -1, Memory: 8, Ratio: 2.5, Open: false,
		Hosts:   []string{"a:1", "b:2"},
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Level:   slog.LevelDebug, Rate: rate{"5/1s"},
		Cache: cache{Timeout: time.Second}, Store: store{Timeout: 2 * time.Second, Key: goodKey},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{}, rate{}), cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func TestLoadGivesDefaultsForAbsentAndEmptyVariables(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"absent": complete(),
		"empty":  complete("NAME=", "WORKERS=", "OPEN=", "STORE_TIMEOUT=", "RATE=", "BACKUP_KEY=", "BACKUP_KEY_FILE="),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got settings
			if err := config.Load(&got, environ); err != nil {
				t.Fatal(err)
			}
			if got.Name != "gate" || got.Workers != 4 || !got.Open || got.Store.Timeout != 5*time.Second ||
				got.Rate.text != "60/1m" || got.Store.Backup != "" {
				t.Errorf("got %+v, want the defaults", got)
			}
		})
	}
}

func TestLoadReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	got := mistakes(t, []string{
		"APP_ENV=staging", "WORKERS=0", "BYTES=many", "OPEN=perhaps", "STORE_TIMEOUT=5", "RATE=60",
		"BACKUP_KEY_FILE=/nonexistent/backup",
	})
	want := `8 settings are wrong:
  BACKUP_KEY cannot be read from BACKUP_KEY_FILE=/nonexistent/backup: no such file or directory
  BYTES is "many"; a whole number is wanted
  OPEN is "perhaps"; true or false is wanted
  RATE is "60"; requests/period is wanted: the period is missing
  STORE_TIMEOUT is "5"; a duration such as 10s is wanted
  APP_ENV is "staging"; production or development is wanted
  WORKERS is 0; 1 to 64 is allowed
  STORE_KEY is missing; at least 32 random bytes are wanted (make one with: openssl rand -base64 48)`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes differ (-want +got):\n%s", diff)
	}
}

func TestLoadNamesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, want string }{
		{"WORKERS=four", `WORKERS is "four"; a whole number is wanted`},
		{"WORKERS=1e3", `WORKERS is "1e3"; a whole number is wanted`},
		{"BYTES=99999999999999999999", `BYTES is "99999999999999999999"; a whole number is wanted`},
		{"MEMORY=-1", `MEMORY is "-1"; a whole number, not negative is wanted`},
		{"RATIO=half", `RATIO is "half"; a number is wanted`},
		{"OPEN=yes", `OPEN is "yes"; true or false is wanted`},
		{"PROXIES=10.0.0.0/8,house", `PROXIES is "10.0.0.0/8,house"; a comma-separated list of networks is wanted`},
		{"LEVEL=loud", `LEVEL is "loud"; debug, info, warn or error is wanted`},
		{"RATE=often", `RATE is "often"; requests/period is wanted: the period is missing`},
		// Another part has a field of the same Go name, which is well.
		{"CACHE_TIMEOUT=soon", `CACHE_TIMEOUT is "soon"; a duration such as 10s is wanted`},
		{"STORE_TIMEOUT=late", `STORE_TIMEOUT is "late"; a duration such as 10s is wanted`},
	} {
		t.Run(c.given, func(t *testing.T) {
			t.Parallel()
			got := mistakes(t, complete(c.given))
			want := "1 setting is wrong:\n  " + c.want
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestMistakesReportEachVariableOnce(t *testing.T) {
	t.Parallel()
	var m config.Mistakes
	m.Add("A", "is wrong")
	m.Add("B", "is wrong")
	m.Add("A", "is wrong in another way")
	if diff := cmp.Diff([]string{"A", "B"}, m.Names()); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	if got, want := m.Error(), "2 settings are wrong:\n  A is wrong\n  B is wrong"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestModeIsStrictUnlessDevelopmentIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		appEnv     string
		production bool
		mistakes   int
	}{
		{"production", true, 0},
		{"development", false, 0},
		{"", true, 1},
		{"Development", true, 1},
		{"dev", true, 1},
	} {
		var m config.Mistakes
		m.Mode(c.appEnv)
		if m.Production != c.production || len(m.Names()) != c.mistakes {
			t.Errorf("Mode(%q): production %v with %d mistakes, want %v with %d",
				c.appEnv, m.Production, len(m.Names()), c.production, c.mistakes)
		}
	}
}

func TestRangeIncludesItsBounds(t *testing.T) {
	t.Parallel()
	for value, wrong := range map[int]bool{0: true, 1: false, 5: false, 6: true} {
		var m config.Mistakes
		m.Range("N", value, 1, 5)
		if got := len(m.Names()) == 1; got != wrong {
			t.Errorf("Range of %d in [1, 5]: wrong = %v, want %v", value, got, wrong)
		}
	}
}

func TestRequiredWantsSomething(t *testing.T) {
	t.Parallel()
	var m config.Mistakes
	m.Required("A", "x", "a name is wanted")
	m.Required("B", "", "a name is wanted")
	if got, want := m.Error(), "1 setting is wrong:\n  B is missing; a name is wanted"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretsAreReadFromFiles(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, content string) string {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ content, want string }{
		"as it is":            {goodKey, goodKey},
		"with a line end":     {goodKey + "\n", goodKey},
		"with line ends":      {goodKey + "\r\n\r\n", goodKey},
		"with blanks and NUL": {" \t" + goodKey + "\x00 \n", " \t" + goodKey + "\x00 "},
		"of two lines":        {goodKey + "\n" + otherKey + "\n", goodKey + "\n" + otherKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got settings
			if err := config.Load(&got, []string{"STORE_KEY_FILE=" + write(t, c.content)}); err != nil {
				t.Fatal(err)
			}
			if got.Store.Key.Reveal() != c.want {
				t.Errorf("got %q, want %q", got.Store.Key.Reveal(), c.want)
			}
		})
	}

	empty, good := write(t, "\n"), write(t, goodKey)
	folder := filepath.Dir(good)
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"missing": {[]string{"STORE_KEY_FILE=" + good + ".gone"},
			"cannot be read from STORE_KEY_FILE=" + good + ".gone: no such file or directory"},
		"a folder": {[]string{"STORE_KEY_FILE=" + folder},
			"cannot be read from STORE_KEY_FILE=" + folder + ": is a directory"},
		"empty": {[]string{"STORE_KEY_FILE=" + empty}, "is empty in STORE_KEY_FILE=" + empty},
		"and given directly": {[]string{"STORE_KEY=" + otherKey, "STORE_KEY_FILE=" + good},
			"is given both directly and as STORE_KEY_FILE; give one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := mistakes(t, c.environ)
			if want := "1 setting is wrong:\n  STORE_KEY " + c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestOnlySecretsAreReadFromFiles(t *testing.T) {
	t.Parallel()
	var got settings
	if err := config.Load(&got, complete("NAME_FILE=/nonexistent/name")); err != nil {
		t.Fatal(err)
	}
	if got.Name != "gate" {
		t.Errorf("NAME = %q, want the default", got.Name)
	}
}

func TestMistakesNeverShowASecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("hunter2hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, environ := range map[string][]string{
		"short":           {"STORE_KEY=hunter2"},
		"repetitive":      {"STORE_KEY=" + strings.Repeat("hunter2", 8)},
		"short in a file": {"STORE_KEY_FILE=" + file},
		"given twice":     {"STORE_KEY=hunter2", "STORE_KEY_FILE=" + file},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mistakes(t, environ); strings.Contains(got, "hunter2") {
				t.Errorf("the secret is shown: %s", got)
			}
		})
	}
}
