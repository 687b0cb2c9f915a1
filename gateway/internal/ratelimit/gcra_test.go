package ratelimit

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/internal/limit"
)

func lim(requests int, period time.Duration, burst int) limit.Limit {
	return limit.Limit{Requests: requests, Period: period, Burst: burst}
}

// take is one request by the rule alone.
func (r rule) take(tat, now int64) (int64, bool) {
	fill := r.fill(tat, now)
	if !r.has(fill) {
		return tat, false
	}
	return now + fill + r.interval, true
}

// TestRuleNeverAdmitsMore drives buckets of many shapes with random arrivals and
// checks every stretch of time between two admitted requests.
func TestRuleNeverAdmitsMore(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same arrivals in every run
	for range 300 {
		l := lim(1+random.IntN(10_000), time.Second, 1+random.IntN(30))
		r := newRule(l)
		var tat int64
		now := int64(1_700_000_000_000_000)
		var admitted []int64
		for range 400 {
			if random.IntN(3) > 0 {
				now += random.Int64N(r.interval * 2)
			}
			if random.IntN(40) == 0 {
				now += r.tolerance + random.Int64N(r.tolerance) // long enough to refill
			}
			var ok bool
			if tat, ok = r.take(tat, now); ok {
				admitted = append(admitted, now)
			}
		}
		if text := excess(l, admitted); text != "" {
			t.Fatal(text)
		}
	}
}

func TestBucketIsFairToThePatient(t *testing.T) {
	t.Parallel()
	r := rule{interval: 1000, tolerance: 5000}
	tat, now := int64(0), int64(10_000)
	ok := false
	for i := range 5 {
		if tat, ok = r.take(tat, now); !ok {
			t.Fatalf("request %d of the burst was refused", i+1)
		}
	}
	if _, ok = r.take(tat, now); ok {
		t.Fatal("a sixth request was admitted at once")
	}
	if tokens, wait := r.level(r.fill(tat, now)); tokens != 0 || wait != time.Millisecond {
		t.Errorf("level = %d, %v; want 0, 1ms", tokens, wait)
	}
	if r.has(r.fill(tat, now+999)) || !r.has(r.fill(tat, now+1000)) {
		t.Error("the promised wait is not the time after which a request is admitted")
	}
	if tokens, wait := r.level(r.fill(tat, now+2500)); tokens != 2 || wait != 500*time.Microsecond {
		t.Errorf("level after 2.5 intervals = %d, %v; want 2, 500µs", tokens, wait)
	}
	if tokens, wait := r.level(r.fill(tat, now+5000)); tokens != 5 || wait != 0 {
		t.Errorf("level of a full bucket = %d, %v; want 5, 0", tokens, wait)
	}
	// A tolerance that is no multiple of the interval, as leases leave it: there
	// is no sixth token to wait for.
	r.tolerance = 5500
	if tokens, wait := r.level(300); tokens != 5 || wait != 0 {
		t.Errorf("level = %d, %v; want 5, 0", tokens, wait)
	}
}

func TestClockSetBackDoesNotLockOut(t *testing.T) {
	t.Parallel()
	r := rule{interval: 1000, tolerance: 5000}
	const now = 1_000_000
	if got := r.fill(now+3_600_000_000, now); got != 5000 {
		t.Errorf("fill = %d, want the empty bucket's 5000", got)
	}
}

func TestRuleOfALimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rule{
		"60/1m,20":      {1_000_000, 20_000_000, 0},                   // too small a burst
		"60/1m,49":      {1_000_000, 49_000_000, 0},                   //
		"60/1m,50":      {1_000_000, 49_000_000, 1_000_000},           // at most a second
		"600/1m,100":    {100_000, 9_000_000, 1_000_000},              //
		"6000/1m,500":   {10_000, 4_500_000, 500_000},                 // a tenth
		"10000/1s,2000": {100, 180_000, 20_000},                       //
		"10000/1s,1999": {100, 199_900, 0},                            // a lease would be too short
		"7/1s,70":       {142_858, 142_858*70 - 1_000_000, 1_000_000}, // rounded up, never down
	} {
		var l limit.Limit
		if err := l.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		r := newRule(l)
		if r != want {
			t.Errorf("%s = %+v, want %+v", text, r, want)
		}
		// The proof in doc.go wants tolerance + τ = interval × burst.
		if r.tolerance+r.lease != r.interval*int64(l.Burst) {
			t.Errorf("%s: %+v gives up another part of the burst than its leases need", text, r)
		}
	}
}

// TestScaleKeepsTokens compares with exact arithmetic, over all bounds.
func TestScaleKeepsTokens(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same fills in every run
	interval := func() int64 { return int64(100 * math.Pow(864_000_000, random.Float64())) }
	const week = 7 * 24 * 3600 * 1_000_000
	for range 100_000 {
		from, to := interval(), interval()
		r := rule{interval: to, tolerance: to * (1 + random.Int64N(week/to))}
		fill := random.Int64N(week + 1)
		if random.IntN(2) == 0 {
			fill -= fill % from // whole tokens
		}
		want := new(big.Int).Mul(big.NewInt(fill), big.NewInt(to))
		want.Add(want, big.NewInt(from-1)).Div(want, big.NewInt(from))
		exact := r.tolerance
		if want.IsInt64() {
			exact = min(exact, want.Int64())
		}
		got := r.scale(fill, from)
		if got < exact-1 || got > exact+1 || fill%from == 0 && got != exact {
			t.Fatalf("a fill of %d from %d µs to %+v = %d, want %d", fill, from, r, got, exact)
		}
	}
}

func TestShareOfOneGateway(t *testing.T) {
	t.Parallel()
	r := newRule(lim(60, time.Minute, 20))
	if got, want := r.alone(3), (rule{interval: 3_000_000, tolerance: 20_000_000}); got != want {
		t.Errorf("a third = %+v, want %+v", got, want)
	}
	if got, want := r.alone(100), (rule{interval: 100_000_000, tolerance: 100_000_000}); got != want {
		t.Errorf("a hundredth = %+v, want a burst of one: %+v", got, want)
	}
}

func TestCharge(t *testing.T) {
	t.Parallel()
	firm := NewPolicy("firm", lim(1, time.Second, 40), PolicyOptions{})
	shadow := NewPolicy("shadow", lim(1, time.Second, 40), PolicyOptions{Shadow: true})
	const s, now = 1_000_000, 1_000_000_000
	for _, c := range []struct {
		name string
		asks []Ask   // with Fill as the bucket's before
		want []int64 // granted, fill in seconds
	}{
		{"one", []Ask{{Policy: firm, Need: 1}}, []int64{1, 1}},
		{"the last", []Ask{{Policy: firm, Need: 1, Fill: 39 * s}}, []int64{1, 40}},
		{"empty", []Ask{{Policy: firm, Need: 1, Fill: 40 * s}}, []int64{0, 40}},
		{"emptier than empty", []Ask{{Policy: firm, Need: 1, Fill: 99 * s}}, []int64{0, 40}},
		{"extra", []Ask{{Policy: firm, Need: 1, Extra: 3}}, []int64{4, 4}},
		{"an eighth of what is left", []Ask{{Policy: firm, Need: 1, Extra: 30}}, []int64{1 + 39/8, 1 + 39/8}},
		{"only extra", []Ask{{Policy: firm, Extra: 30, Fill: 24 * s}}, []int64{2, 26}},
		{"no extra from the last ones", []Ask{{Policy: firm, Need: 1, Extra: 30, Fill: 32 * s}}, []int64{1, 33}},
		{"a look", []Ask{{Policy: firm, Fill: 5 * s}}, []int64{0, 5}},
		{"debt", []Ask{{Policy: firm, Need: 1, Debt: 10 * s}}, []int64{1, 11}},
		{"more debt than there is", []Ask{{Policy: firm, Need: 1, Debt: 100 * s}}, []int64{0, 40}},
		{"debt is charged also when refused", []Ask{{Policy: firm, Need: 1, Debt: 3 * s}, {Policy: firm, Need: 1, Fill: 40 * s}}, []int64{0, 3, 0, 40}},
		{"all or none", []Ask{{Policy: firm, Need: 1, Extra: 2, Fill: 2 * s}, {Policy: firm, Need: 1, Fill: 40 * s}}, []int64{0, 2, 0, 40}},
		{"shadow refuses nothing", []Ask{{Policy: firm, Need: 1}, {Policy: shadow, Need: 1, Fill: 40 * s}}, []int64{1, 1, 0, 40}},
		{"shadow pays when it can", []Ask{{Policy: firm, Need: 1}, {Policy: shadow, Need: 1}}, []int64{1, 1, 1, 1}},
		{"shadow is spared, too", []Ask{{Policy: firm, Need: 1, Fill: 40 * s}, {Policy: shadow, Need: 1}}, []int64{0, 40, 0, 0}},
	} {
		buckets := make([]stored, len(c.asks))
		for i := range c.asks {
			buckets[i] = stored{now + c.asks[i].Fill, c.asks[i].Policy.rule.interval}
		}
		charge(c.asks, buckets, now)
		for i := range c.asks {
			if a := &c.asks[i]; a.Granted != c.want[2*i] || a.Fill != c.want[2*i+1]*s || buckets[i].tat != now+a.Fill {
				t.Errorf("%s: bucket %d: granted %d, fill %d µs, TAT %d; want %d, %d s", c.name, i, a.Granted, a.Fill, buckets[i].tat-now, c.want[2*i], c.want[2*i+1])
			}
		}
	}
}
