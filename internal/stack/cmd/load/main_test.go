package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMistakesInArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"smok"}, {"smoke", "average"}} {
		var out bytes.Buffer
		if status := run(args, &out, &out); status != 2 || !strings.Contains(out.String(), "smoke, average, stress") {
			t.Errorf("%q: got %d: %s", args, status, out.String())
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scale   string
		n, want int
		ok      bool
	}{
		{"", 20, 20, true}, {"1", 20, 20, true}, {"2.5", 20, 50, true}, {"0.01", 20, 1, true},
		{"0", 20, 0, false}, {"-1", 20, 0, false}, {"many", 20, 0, false}, {"NaN", 20, 0, false}, {"101", 20, 0, false},
	} {
		if got, err := (settings{scale: tc.scale}).accounts(tc.n); got != tc.want || err == nil != tc.ok {
			t.Errorf("SCALE=%s: got %d, %v", tc.scale, got, err)
		}
	}
}

// fake is a stand-in for k6 that does what a shell script says.
func fake(t *testing.T, script string) (*k6, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "k6")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return &k6{path: path, script: filepath.Join(dir, "script.js"), stdout: &out}, &out
}

func TestK6GetsItsSettings(t *testing.T) {
	t.Parallel()
	k, out := fake(t, `echo "$@" "$K6_WEB_DASHBOARD_EXPORT" "$K6_WEB_DASHBOARD_PERIOD"; exit 99`)
	k.set("SCALE", "2")
	k.set("DURATION", "")
	status, err := k.run(t.Context(), "report.html", time.Hour)
	if want := "run --quiet -e SCALE=2 " + k.script + " report.html 12s\n"; err != nil || status != thresholdsCrossed || out.String() != want {
		t.Errorf("got %d, %v: %s", status, err, out.String())
	}
}

func TestK6ThatCannotStart(t *testing.T) {
	t.Parallel()
	k := &k6{path: filepath.Join(t.TempDir(), "none")}
	if status, err := k.run(t.Context(), "", time.Minute); err == nil {
		t.Errorf("got %d and no error", status)
	}
	k, _ = fake(t, "kill -9 $$")
	if status, err := k.run(t.Context(), "", time.Minute); err == nil {
		t.Errorf("killed: got %d and no error", status)
	}
}

// At the end of the context k6 is interrupted, once, and has time for its report.
func TestK6IsAskedToEnd(t *testing.T) {
	t.Parallel()
	k, out := fake(t, `trap 'echo report; exit 105' INT; echo begun >"$0.begun"; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(k.path + ".begun"); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if status, err := k.run(ctx, "", time.Minute); err != nil || status != 105 || out.String() != "report\n" {
		t.Errorf("got %d, %v: %q", status, err, out.String())
	}
}

func TestContactsAreAFile(t *testing.T) {
	t.Parallel()
	if got := strings.Split(contacts(2), "\n"); len(got) != 4 || strings.Count(got[2], ",") != strings.Count(got[0], ",") {
		t.Errorf("got %q", got)
	}
	for _, s := range scenarios {
		for _, tenant := range s.tenants {
			if tenant.contacts > 10_000 || tenant.users < 1 {
				t.Errorf("%s: %+v cannot be made", s.name, tenant)
			}
		}
	}
}
