package limit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestLimitText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"60/1m,20":      "60/1m,20",
		" 60 / 1m , 20": "60/1m,20",
		"600/1m":        "600/1m,100", // ten seconds of the rate
		"6/1m":          "6/1m,10",    // but at least 10
		"5/15m,5":       "5/15m,5",
		"10000/1s,1":    "10000/1s,1",
		"1/24h,7":       "1/24h,7",
		"1/24h":         "1/24h,7", // what refills in 7 days
		"2/24h":         "2/24h,10",
		"10000/1s":      "10000/1s,100000",
		"90/90s,9":      "90/1m30s,9",
		"":              "", "60": "", "x/1m,1": "", "60/x": "", "60/1m,x": "", "0/1m,1": "", "-1/1m,1": "",
		"60/0s,1": "", "60/-1m": "", "60/1ms,1": "", "60/1500ms,1": "", "60/48h,1": "", "60/1m,0": "", "60/1m,-1": "",
		"10001/1s,1": "", "1/24h,8": "", "60/1m,99999999999999999999": "", "60/1m,999999999999": "",
		"600001/1m": "", "60.5/1m": "",
	} {
		var l Limit
		err := l.UnmarshalText([]byte(text))
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was read as %v", text, l)
		case want == "":
			if reason, ok := err.(interface{ SettingReason() string }); !ok || reason.SettingReason() == "" {
				t.Errorf("%q: error %v gives the operator no reason", text, err)
			}
			if l != (Limit{}) {
				t.Errorf("%q: half a limit was kept: %v", text, l)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case l.String() != want:
			t.Errorf("%q = %v, want %v", text, l, want)
		}
	}
}

func TestCheckNamesThePart(t *testing.T) {
	t.Parallel()
	good := Limit{Requests: 60, Period: time.Minute, Burst: 20}
	if field, reason := good.Check(); field != "" || reason != "" {
		t.Errorf("a good limit: %s %s", field, reason)
	}
	for want, change := range map[Field]func(*Limit){
		Requests: func(l *Limit) { l.Requests = 0 },
		Period:   func(l *Limit) { l.Period = 90*time.Second + time.Millisecond },
		Burst:    func(l *Limit) { l.Burst = 1 << 40 },
	} {
		l := good
		change(&l)
		if field, reason := l.Check(); field != want || reason == "" {
			t.Errorf("%v: %s %q, want %s", l, field, reason, want)
		}
	}
}

// 7 a second do not divide a second: the interval is rounded up, never down.
func TestIntervalIsRoundedUp(t *testing.T) {
	t.Parallel()
	if got := (Limit{Requests: 7, Period: time.Second, Burst: 1}).Interval(); got != 142_858 {
		t.Errorf("interval = %d, want 142858", got)
	}
}

func TestTenantText(t *testing.T) {
	t.Parallel()
	want := Tenant{ID: "acme", Version: 7, Status: "active", Plan: "premium", Overrides: []Override{
		{Policy: PerTenant, Limit: Limit{1200, time.Minute, 200}, Owner: "ops", Reason: "launch",
			ExpiresAt: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)},
		{Policy: Export, User: uuid.MustParse("0198c0de-0000-7000-8000-000000000001"), Limit: Limit{6, time.Minute, 10},
			Shadow: true, Owner: "ops", Reason: "try"},
	}}
	text, err := want.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseTenant(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", text, diff)
	}
	if got.Overrides[0].InForce(got.Overrides[0].ExpiresAt) || !got.Overrides[1].InForce(time.Now()) {
		t.Error("an override applies up to its expiry, one without an expiry always")
	}
	for _, text := range []string{
		``, `{}`, `[]`, `{"id":"a","version":0,"status":"active","plan":"free"}`,
		`{"id":"a","version":1,"status":"active","plan":"gold"}`,
		`{"id":"a","version":1,"status":"active","plan":"free","more":1}`,
		`{"id":"a","version":1,"status":"active","plan":"free","overrides":[{"policy":"nfe","limit":"1/1s,1","owner":"","reason":""}]}`,
		`{"id":"a","version":1,"status":"active","plan":"free","overrides":[{"policy":"user","limit":"0/1s,1","owner":"","reason":""}]}`,
		`{"id":"a","version":1,"status":"active","plan":"free","overrides":[{"policy":"in_flight","limit":"5/1m,5","owner":"","reason":""}]}`,
		`{"id":"a","version":1,"status":"active","plan":"free","overrides":[{"policy":"in_flight","limit":"5/1s,5","shadow":true,"owner":"","reason":""}]}`,
	} {
		if got, err := ParseTenant([]byte(text)); err == nil {
			t.Errorf("%s was read as %+v", text, got)
		}
	}
}

func FuzzLimitText(f *testing.F) {
	for _, seed := range []string{"60/1m,20", "1/24h,7", "600/1m", "/", ",", "9223372036854775807/1s,1", "604800/24h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var l Limit
		if l.UnmarshalText([]byte(text)) != nil {
			return
		}
		var again Limit
		if err := again.UnmarshalText([]byte(l.String())); err != nil || again != l {
			t.Errorf("%q was read as %v, which reads as %v (%v)", text, l, again, err)
		}
		if i := l.Interval(); i < 100 || i*int64(l.Burst) > maxFill.Microseconds() {
			t.Errorf("%q has an interval of %d µs and a burst of %d", text, i, l.Burst)
		}
	})
}
