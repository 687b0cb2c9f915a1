package admission

import (
	"math/rand/v2"
	"testing"
	"time"
)

// capacity is how many requests a second the workers can do.
func capacity(workers int, mean time.Duration) float64 { return float64(workers) / mean.Seconds() }

const patience = 10 // times the mean that a client waits

func TestGoodputAtTwiceTheCapacity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		gateways, workers int
		mean              time.Duration
		load              float64
	}{
		{"one gateway", 1, 16, 10 * time.Millisecond, 2},
		{"few workers", 1, 4, 5 * time.Millisecond, 2},
		{"many workers", 1, 100, 20 * time.Millisecond, 2},
		{"slower work", 1, 32, 50 * time.Millisecond, 2},
		{"long work", 1, 64, 200 * time.Millisecond, 2},
		{"very long work", 1, 32, 500 * time.Millisecond, 2},
		{"long work, two gateways", 2, 64, 200 * time.Millisecond, 2},
		{"three gateways", 3, 32, 10 * time.Millisecond, 2},
		{"ten times the capacity", 1, 16, 10 * time.Millisecond, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newModel(c.gateways, c.workers, operation{c.mean, Normal})
			for _, name := range []string{"a", "b", "c", "d"} {
				m.tenant(name, c.load*capacity(c.workers, c.mean)/4, 0)
			}
			m.run(50 * time.Second)
			good := m.goodput(20*time.Second, 50*time.Second, patience)
			t.Logf("goodput %.3f of the capacity, limit %d, p99 %v", good, m.gateways[0].Limit(), m.sources[0].p99(20*time.Second))
			if good < 0.9 {
				t.Errorf("goodput is %.3f of the capacity, want at least 0.9", good)
			}
			sum := 0
			for _, g := range m.gateways {
				sum += g.Limit()
			}
			if sum > 2*c.workers+4*c.gateways {
				t.Errorf("the limits are %d together for %d workers", sum, c.workers)
			}
		})
	}
}

// Without a limit the model collapses: the other tests would mean nothing if it
// did not.
func TestModelCollapsesWithoutALimit(t *testing.T) {
	t.Parallel()
	m := newModel(1, 16, operation{10 * time.Millisecond, Normal})
	m.gateways[0].on = false
	m.tenant("a", 2*capacity(16, 10*time.Millisecond), 0)
	m.run(20 * time.Second)
	if good := m.goodput(10*time.Second, 20*time.Second, patience); good > 0.1 {
		t.Errorf("goodput is %.3f of the capacity without a limit", good)
	}
}

// A tenant that sends twenty times its share leaves the others their latency
// and most of their requests.
func TestAggressorMovesNobodysLatency(t *testing.T) {
	t.Parallel()
	for _, gateways := range []int{1, 3} {
		const workers, mean = 32, 10 * time.Millisecond
		fair := capacity(workers, mean) / 4
		victims := func(aggressor float64) (*model, time.Duration, float64) {
			m := newModel(gateways, workers, operation{mean, Normal})
			var v []*source
			for _, name := range []string{"a", "b", "c"} {
				v = append(v, m.tenant(name, fair*0.7, 0))
			}
			m.tenant("aggressor", aggressor, 0)
			m.run(60 * time.Second)
			return m, v[0].p99(15 * time.Second), v[0].share()
		}
		_, alone, _ := victims(0)
		m, beside, share := victims(20 * fair)
		t.Logf("%d gateways: p99 %v alone, %v beside the aggressor (%+.1f %%), %.2f %% answered, goodput %.3f", gateways,
			alone, beside, 100*(float64(beside)/float64(alone)-1), 100*share, m.goodput(15*time.Second, 60*time.Second, patience))
		if float64(beside) > 1.2*float64(alone) {
			t.Errorf("%d gateways: p99 is %v beside the aggressor, %v alone", gateways, beside, alone)
		}
		// Refused alike, all would have a sixth answered.
		if share < 0.78 {
			t.Errorf("%d gateways: %.2f %% of the victim's requests were answered", gateways, 100*share)
		}
	}
}

// What slow routes do to the mean is no queue.
func TestMixOfRoutesIsNoOverload(t *testing.T) {
	t.Parallel()
	read, login := operation{time.Millisecond, Normal}, operation{30 * time.Millisecond, Auth}
	m := newModel(1, 16, read, login)
	m.tenant("a", 12000, 0) // 12 of 16 workers
	late := m.tenant("", 120, 1)
	late.from = int64(20 * time.Second) // 3.6 more
	late.op = func(*rand.Rand) int { return 1 }
	m.run(40 * time.Second)
	t.Logf("limit %d, %.2f %% of reads and %.2f %% of logins answered", m.gateways[0].Limit(), 100*m.sources[0].share(), 100*late.share())
	if m.sources[0].share() < 0.9 || late.share() < 0.9 {
		t.Errorf("%.2f of reads and %.2f of logins were answered", m.sources[0].share(), late.share())
	}
}

func TestMixOfRoutesAtTwiceTheCapacity(t *testing.T) {
	t.Parallel()
	m := newModel(1, 16, operation{time.Millisecond, Normal}, operation{30 * time.Millisecond, Normal})
	for _, name := range []string{"a", "b", "c"} {
		s := m.tenant(name, 2*16/(0.9*0.001+0.1*0.030)/3, 0)
		s.op = func(r *rand.Rand) int { return r.IntN(10) / 9 }
	}
	m.run(40 * time.Second)
	good := m.goodput(10*time.Second, 40*time.Second, 30)
	t.Logf("goodput %.3f, limit %d", good, m.gateways[0].Limit())
	if good < 0.9 {
		t.Errorf("goodput is %.3f of the capacity, want at least 0.9", good)
	}
}

// A backend that is slower for good has the same workers, so the limit comes
// back to where it was; and likewise when it is fast again.
func TestLimitSurvivesAChangeOfLatency(t *testing.T) {
	t.Parallel()
	const workers, mean = 16, 10 * time.Millisecond
	m := newModel(1, workers, operation{mean, Normal})
	m.slower = func(now int64) float64 {
		if s := (now - start) / int64(time.Second); s >= 20 && s < 60 {
			return 4
		}
		return 1
	}
	for _, name := range []string{"a", "b", "c"} {
		m.tenant(name, 2*capacity(workers, mean)/3, 0)
	}
	m.run(100 * time.Second)
	for _, span := range [][2]int{{10, 20}, {20, 30}, {35, 60}, {60, 70}, {75, 100}} {
		good := m.goodput(time.Duration(span[0])*time.Second, time.Duration(span[1])*time.Second, patience)
		t.Logf("%d to %d s: goodput %.3f", span[0], span[1], good)
		want := 0.9
		if span[1]-span[0] == 10 && span[0] > 10 {
			want = 0.25 // the change itself
		}
		if good < want {
			t.Errorf("%d to %d s: goodput is %.3f, want at least %v", span[0], span[1], good, want)
		}
	}
}

// After an overload there is nothing to recover from: no queue is left, and all
// are admitted again.
func TestRecoveryAfterOverload(t *testing.T) {
	t.Parallel()
	const workers, mean = 16, 10 * time.Millisecond
	m := newModel(1, workers, operation{mean, Normal})
	calm := m.tenant("a", 0.5*capacity(workers, mean), 0)
	storm := m.tenant("b", 5*capacity(workers, mean), 0)
	storm.from = int64(10 * time.Second)
	m.sources[1] = storm
	m.after(int64(20*time.Second), func() { storm.rate = 0 })
	m.run(40 * time.Second)
	t.Logf("calm: %.3f answered, p99 after %v, limit %d", calm.share(), calm.p99(21*time.Second), m.gateways[0].Limit())
	if calm.share() < 0.92 || calm.p99(21*time.Second) > 6*mean {
		t.Errorf("%.3f answered, p99 %v afterwards", calm.share(), calm.p99(21*time.Second))
	}
}

// A limit that is not in use says nothing, so it stays.
func TestIdleLimitDoesNotDrift(t *testing.T) {
	t.Parallel()
	m := newModel(1, 16, operation{10 * time.Millisecond, Normal})
	m.tenant("a", 60, 0) // about one in flight
	m.slower = func(now int64) float64 {
		return 1 + 2*float64((now-start)/int64(10*time.Second)%2)
	}
	m.run(60 * time.Second)
	if got := m.gateways[0].Limit(); got != initial {
		t.Errorf("the limit became %d", got)
	}
}

// Batch leaves room, sign-ins find some.
func TestClassesGoInOrder(t *testing.T) {
	t.Parallel()
	const workers, mean = 32, 10 * time.Millisecond
	m := newModel(1, workers, operation{mean, Batch}, operation{mean, Normal}, operation{mean, Auth})
	all := capacity(workers, mean)
	batch, normal, auth := m.tenant("a", 0.8*all, 0), m.tenant("b", 0.8*all, 1), m.tenant("", 0.2*all, 2)
	m.run(40 * time.Second)
	t.Logf("answered: batch %.3f, normal %.3f, auth %.3f", batch.share(), normal.share(), auth.share())
	if auth.share() < 0.99 || normal.share() < batch.share() {
		t.Errorf("answered: batch %.3f, normal %.3f, auth %.3f", batch.share(), normal.share(), auth.share())
	}
	flood := newModel(1, workers, operation{mean, Normal}, operation{mean, Auth})
	reads := flood.tenant("a", 0.4*all, 0)
	flood.tenant("", 10*all, 1)
	flood.run(40 * time.Second)
	t.Logf("beside a flood of sign-ins %.3f of reads answered", reads.share())
	if reads.share() < 0.9 {
		t.Errorf("beside a flood of sign-ins %.3f of reads were answered", reads.share())
	}
}
