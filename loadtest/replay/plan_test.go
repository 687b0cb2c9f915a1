package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var key = []byte("0123456789abcdef0123456789abcdef")

// at is an entry that begins so many milliseconds after noon.
func at(ms int, name, tenant, client string) entry {
	e := entry{start: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond), tenant: tenant, client: client}
	for i, o := range operations {
		if o.name == name {
			e.operation = i
		}
	}
	return e
}

// shown is a plan as a reader sees it.
func shown(p *plan) []string {
	var list []string
	for _, c := range p.callers {
		text := fmt.Sprintf("%d/%d:", c.tenant, c.user)
		for _, call := range c.calls {
			text += fmt.Sprintf(" %d %s", call.at.Milliseconds(), operations[call.operation].name)
		}
		list = append(list, text)
	}
	return list
}

// Lines are in the order of their ends. Callers are told apart by tenant and
// address, and who signs in is taken for the tenant that is seen there later.
func TestPlanKeepsOrderGapsAndCallers(t *testing.T) {
	t.Parallel()
	entries := []entry{
		at(900, "listContacts", "acme", "a"),
		at(100, "login", "", "a"),
		at(300, "getMe", "acme", "a"),
		at(350, "getMe", "acme", "b"),
		at(400, "getMe", "other", "b"),
		at(450, "ping", "", "c"),
		at(900, "refreshTokens", "", "b"),
	}
	for _, tc := range []struct {
		speed float64
		want  []string
	}{
		{1, []string{
			"0/0: 0 login 200 getMe 800 listContacts", "0/1: 250 getMe 800 refreshTokens", "1/0: 300 getMe", "2/0: 350 ping",
		}},
		{2, []string{
			"0/0: 0 login 100 getMe 400 listContacts", "0/1: 125 getMe 400 refreshTokens", "1/0: 150 getMe", "2/0: 175 ping",
		}},
	} {
		p, err := newPlan(entries, key, tc.speed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, shown(p)); diff != "" {
			t.Errorf("speed %v (-want +got):\n%s", tc.speed, diff)
		}
	}
}

func TestPlanRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	var crowd []entry
	for i := range maxCallers + 1 {
		crowd = append(crowd, at(i, "ping", "", fmt.Sprint(i)))
	}
	for name, entries := range map[string][]entry{
		"nothing": nil,
		"days":    {at(0, "ping", "", "a"), at(25*3600*1000, "ping", "", "a")},
		"a crowd": crowd,
	} {
		if _, err := newPlan(entries, key, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The same caller has the same pseudonym in every script of a key, whatever else is
// in the log, and another one under another key.
func TestPseudonymsAreStable(t *testing.T) {
	t.Parallel()
	of := func(key []byte, entries ...entry) string {
		p, err := newPlan(entries, key, 1)
		if err != nil {
			t.Fatal(err)
		}
		return p.callers[len(p.callers)-1].pseudonym
	}
	ana := at(100, "getMe", "acme", "203.0.113.7")
	first := of(key, ana)
	if again := of(key, at(0, "getMe", "other", "203.0.113.7"), ana); again != first {
		t.Errorf("got %s and %s for one caller", first, again)
	}
	if other := of(key, at(100, "getMe", "acme", "203.0.113.8")); other == first {
		t.Error("two callers have one pseudonym")
	}
	if other := of([]byte("another key of thirty-two bytes.."), ana); other == first {
		t.Error("another key gives the same pseudonym")
	}
}

// Nothing that stood in the log is in the script or in what is said about it.
func TestNothingOfTheLogSurvives(t *testing.T) {
	t.Parallel()
	secrets := []string{
		"203.0.113.7", "2001:db8::99", "b1f7340988e900d5", "q1w2e3r4t5", "eyJhbGciOi", "Hunter2", "00-4bf92f35", "acme", "019aab10", "2026-11-23",
		"ana@example.com", "cursor-of-a-page", "10:00:01",
	}
	log := strings.Join([]string{
		line("trace_id", `"00-4bf92f35"`, "token", `"eyJhbGciOi"`, "authorization", `"Bearer eyJhbGciOi"`),
		line("client", `"2001:db8::99"`, "cause", `"password Hunter2"`, "tenant", `"acme"`, "path", `"/api/v1/address-book?q=ana@example.com&cursor=cursor-of-a-page"`),
		line("route", `"/api/v1/address-book/019aab10"`),
		line("method", `"Hunter2"`),
		"Hunter2",
	}, "\n")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "log"), filepath.Join(dir, "replay.js")
	if err := os.WriteFile(in, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-o", out, in}, nil, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	script, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	all := string(script) + stdout.String() + stderr.String()
	for _, secret := range secrets {
		if strings.Contains(all, secret) {
			t.Errorf("%s is in what was written:\n%s", secret, all)
		}
	}
	if !strings.Contains(all, "2 requests of 2 callers from 2 tenants") {
		t.Errorf("got:\n%s", all)
	}
}

func TestMistakesInArguments(t *testing.T) {
	t.Parallel()
	short := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   []string
		status int
	}{
		{[]string{"-speed", "0"}, 2},
		{[]string{"-speed", "NaN"}, 2},
		{[]string{"-writes", "keep"}, 2},
		{[]string{"-key-file", short}, 1},
		{[]string{"/does/not/exist"}, 1},
		{nil, 1}, // nothing in it
	} {
		if got := run(tc.args, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}); got != tc.status {
			t.Errorf("%q: got %d, want %d", tc.args, got, tc.status)
		}
	}
}

// What a script may ask for is what the library can do, and the other way round.
func TestLibraryPlaysEveryOperation(t *testing.T) {
	t.Parallel()
	library, err := os.ReadFile("../lib/replay.js")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(library), "const acts = {\n")
	acts, _, _ := strings.Cut(rest, "\n};")
	can := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^  (\w+): `).FindAllStringSubmatch(acts, -1) {
		can[found[1]] = true
	}
	want := map[string]bool{}
	for _, o := range operations {
		want[o.name] = true
	}
	if diff := cmp.Diff(want, can); diff != "" {
		t.Errorf("-this program +the library:\n%s", diff)
	}
}

// Both tables say the same of each operation; the library's is held against the
// contract.
func TestOperationsAreTheLibrarys(t *testing.T) {
	t.Parallel()
	library, err := os.ReadFile("../lib/operations.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range operations {
		if want := fmt.Sprintf("  %s: { method: '%s', path: '%s', ", o.name, o.method, o.route); !strings.Contains(string(library), want) {
			t.Errorf("operations.js does not have %q", want)
		}
	}
}
