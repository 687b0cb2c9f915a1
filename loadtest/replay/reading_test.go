package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// line is an access line with some fields replaced: name, JSON value pairs.
func line(fields ...string) string {
	values := map[string]string{
		"time": `"2026-11-23T10:00:01.5Z"`, "level": `"INFO"`, "msg": `"request"`, "service": `"gateway"`, "request_id": `"q1w2e3r4t5"`,
		"method": `"GET"`, "route": `"/api/v1/auth/me"`, "status": `200`, "duration_ms": `500`, "client": `"203.0.113.7"`, "tenant": `"b1f7340988e900d5"`,
	}
	for i := 0; i < len(fields); i += 2 {
		values[fields[i]] = fields[i+1]
	}
	var parts []string
	for name, value := range values {
		if value != "" {
			parts = append(parts, `"`+name+`":`+value)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		line string
		op   string // "" when it is not played
		why  string
	}{
		"a read":                     {line(), "getMe", ""},
		"a write":                    {line("method", `"POST"`, "route", `"/api/v1/address-book"`), "createContact", ""},
		"a sign-in has no tenant":    {line("method", `"POST"`, "route", `"/api/v1/auth/login"`, "tenant", ""), "login", ""},
		"a wrong password is played": {line("method", `"POST"`, "route", `"/api/v1/auth/login"`, "status", `401`), "login", ""},
		"a refused one is played":    {line("status", `429`), "getMe", ""},
		"an alias":                   {line("alias", `true`), "getMe", ""},
		"unknown fields":             {line("cause", `"x"`, "code", `"internal"`, "new", `{"a":[1]}`), "getMe", ""},
		"nobody":                     {line("status", `401`), "", nobodys},
		"an operator's":              {line("route", `"/api/v1/admin/tenants"`), "", notPlayed},
		"nothing in the contract":    {line("route", `"unmatched"`), "", notPlayed},
		"a path that is no route":    {line("route", `"/api/v1/address-book/7"`), "", notPlayed},
		"another method":             {line("method", `"HEAD"`), "", notPlayed},
		"the backend's line":         {line("service", `"backend"`), "", noAccessLine},
		"another event":              {line("msg", `"started"`), "", noAccessLine},
		"no duration":                {line("duration_ms", ""), "", noAccessLine},
		"a negative duration":        {line("duration_ms", `-1`), "", noAccessLine},
		"an endless duration":        {line("duration_ms", `1e300`), "", noAccessLine},
		"no time":                    {line("time", ""), "", noAccessLine},
		"a time that is none":        {line("time", `"yesterday"`), "", noAccessLine},
		"text, not JSON":             {"time=2026-11-23T10:00:01Z msg=request", "", noAccessLine},
		"a line cut off":             {line()[:60], "", noAccessLine},
		"two in one":                 {line() + line(), "", noAccessLine},
		"nothing":                    {"", "", noAccessLine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, why := parse([]byte(tc.line))
			if why != tc.why {
				t.Fatalf("got %q, want %q", why, tc.why)
			}
			if tc.op == "" {
				return
			}
			if got := operations[e.operation].name; got != tc.op {
				t.Errorf("got %s, want %s", got, tc.op)
			}
			if want := time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC); !e.start.Equal(want) {
				t.Errorf("it begins at %v, want %v: half a second before its line", e.start, want)
			}
		})
	}
}

func TestReadingSaysWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		line(), "", line("msg", `"started"`), line("route", `"unmatched"`), line("status", `401`), strings.Repeat("x", maxLine+1),
		line("method", `"POST"`, "route", `"/api/v1/address-book"`), line(), // the last has no line end
	}, "\n")
	r := newReading(true)
	if err := r.read(strings.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	r.report(&got)
	want := "2 requests are played\n2 " + noAccessLine + "\n1 " + notPlayed + "\n1 " + nobodys + "\n1 " + leftOut + "\n"
	if got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

// harmless is all that a script may have in the place of calls and callers.
var harmless = regexp.MustCompile(`^  \{ who: '[0-9a-f]{16}', tenant: 0, user: 0, calls: \[0, \d+\] \},$`)

// Whatever a line holds, parsing it ends, and a script that is made of it holds
// nothing but pseudonyms and numbers.
func FuzzParse(f *testing.F) {
	f.Add([]byte(line()))
	f.Add([]byte(line("tenant", `"'];alert(1)//"`, "client", `"\u2028"`)))
	f.Add([]byte(line("time", `"0001-01-01T00:00:00Z"`, "duration_ms", `86400000`)))
	f.Add([]byte(line("time", `"9999-12-31T23:59:59Z"`)))
	f.Add([]byte(`{"time":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, why := parse(text)
		if why != "" {
			return
		}
		p, err := newPlan([]entry{e}, []byte("key"), 1)
		if err != nil {
			t.Fatal(err)
		}
		var script bytes.Buffer
		p.write(&script)
		_, rest, _ := strings.Cut(script.String(), "() => [\n")
		calls, _, _ := strings.Cut(rest, "]);")
		if got := strings.TrimSuffix(calls, "\n"); !harmless.MatchString(got) {
			t.Errorf("the script has %q", got)
		}
	})
}
