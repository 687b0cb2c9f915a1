package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/internal/config"
)

// TestNeverMoreThanPromised drives buckets of many shapes with random arrivals
// and checks, for every stretch of time between two admitted requests, that no
// more than burst + rate × T were admitted.
func TestNeverMoreThanPromised(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same arrivals in every run
	for range 300 {
		interval := 100 + random.Int64N(1_000_000)
		burst := 1 + random.Int64N(30)
		r := rule{interval: interval, tolerance: interval * burst}
		var tat int64
		now := int64(1_700_000_000_000_000)
		var admitted []int64
		for range 400 {
			if random.IntN(3) > 0 {
				now += random.Int64N(interval * 2)
			}
			if random.IntN(40) == 0 {
				now += r.tolerance + random.Int64N(r.tolerance) // long enough to refill
			}
			if r.admits(tat, now) {
				tat = r.take(tat, now)
				admitted = append(admitted, now)
			}
		}
		for i := range admitted {
			for j := i; j < len(admitted); j++ {
				// n <= burst + T/interval, in whole numbers.
				n, span := int64(j-i+1), admitted[j]-admitted[i]
				if n*interval > burst*interval+span {
					t.Fatalf("%d admitted in %d µs with interval %d µs and burst %d", n, span, interval, burst)
				}
			}
		}
	}
}

func TestBucketIsFairToThePatient(t *testing.T) {
	t.Parallel()
	r := rule{interval: 1000, tolerance: 5000}
	var tat int64
	now := int64(10_000)
	for i := range 5 {
		if !r.admits(tat, now) {
			t.Fatalf("request %d of the burst was refused", i+1)
		}
		tat = r.take(tat, now)
	}
	if r.admits(tat, now) {
		t.Fatal("a sixth request was admitted at once")
	}
	remaining, wait := r.level(tat, now)
	if remaining != 0 || wait != time.Millisecond {
		t.Errorf("level = %d, %v; want 0, 1ms", remaining, wait)
	}
	if r.admits(tat, now+999) || !r.admits(tat, now+1000) {
		t.Error("the promised wait is not the time after which a request is admitted")
	}
	if remaining, wait = r.level(tat, now+2500); remaining != 2 || wait != 500*time.Microsecond {
		t.Errorf("level after 2.5 intervals = %d, %v; want 2, 500µs", remaining, wait)
	}
	if remaining, wait = r.level(tat, now+5000); remaining != 5 || wait != 0 {
		t.Errorf("level of a full bucket = %d, %v; want 5, 0", remaining, wait)
	}
}

func TestClockSetBackDoesNotLockOut(t *testing.T) {
	t.Parallel()
	r := rule{interval: 1000, tolerance: 5000}
	const now = 1_000_000
	farAhead := int64(now + 3_600_000_000)
	if got := r.start(farAhead, now); got != now+5000 {
		t.Errorf("start = %d, want the empty bucket's %d", got, now+5000)
	}
	if !r.admits(r.start(farAhead, now), now+1000) {
		t.Error("refused one interval after the clamp")
	}
}

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
		"90/90s,9":      "90/1m30s,9",
		"":              "", "60": "", "x/1m,1": "", "60/x": "", "60/1m,x": "", "0/1m,1": "", "-1/1m,1": "",
		"60/0s,1": "", "60/-1m": "", "60/1ms,1": "", "60/48h,1": "", "60/1m,0": "", "60/1m,-1": "",
		"10001/1s,1": "", "1/24h,8": "", "60/1m,99999999999999999999": "", "60/1m,999999999999": "",
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

func TestShareOfOneGateway(t *testing.T) {
	t.Parallel()
	l := Limit{Requests: 60, Period: time.Minute, Burst: 20}
	if got, want := l.rule(3), (rule{interval: 3_000_000, tolerance: 18_000_000}); got != want {
		t.Errorf("a third of %v = %+v, want %+v", l, got, want)
	}
	if got, want := l.rule(100), (rule{interval: 100_000_000, tolerance: 100_000_000}); got != want {
		t.Errorf("a hundredth of %v = %+v, want a burst of one: %+v", l, got, want)
	}
	// 7 a second do not divide a second: the interval is rounded up, never down.
	if got := (Limit{Requests: 7, Period: time.Second, Burst: 1}).rule(1).interval; got != 142_858 {
		t.Errorf("interval = %d, want 142858", got)
	}
}

func TestConfigReportsEveryLimit(t *testing.T) {
	t.Parallel()
	m := &config.Mistakes{}
	(&Config{FleetSize: 0}).Validate(m)
	if got := len(m.Names()); got != 5 {
		t.Errorf("%d mistakes, want 5:\n%v", got, m)
	}
}

func FuzzLimitText(f *testing.F) {
	for _, seed := range []string{"60/1m,20", "1/24h,7", "600/1m", "/", ",", "9223372036854775807/1s,1"} {
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
		if r := l.rule(1); r.interval < minInterval || r.tolerance < r.interval || r.tolerance > maxFill.Microseconds() {
			t.Errorf("%q gives %+v", text, r)
		}
	})
}
