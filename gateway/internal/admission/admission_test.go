package admission

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestTenantsOwnBound(t *testing.T) {
	t.Parallel()
	a := New(nil)
	r := Request{Route: a.NewRoute(), Tenant: "a", Most: 2}
	first, _ := a.Admit(&r, start)
	if _, reason := a.Admit(&r, start); reason != Admitted {
		t.Fatalf("the second of two: %v", reason)
	}
	if _, reason := a.Admit(&r, start); reason != OverTenant {
		t.Errorf("the third of two: %v", reason)
	}
	a.Done(&first)
	a.Done(&first) // once more changes nothing
	if got := a.Tenant("a"); got != 1 {
		t.Errorf("%d in flight, want 1", got)
	}
}

// A long answer keeps the tenant's slot and gives that of the limit back.
func TestLongAnswersAndUploadsTakeNothingOfTheLimit(t *testing.T) {
	t.Parallel()
	a := New(&Config{Min: 4, Max: 4})
	r := Request{Route: a.NewRoute(), Tenant: "a"}
	download, _ := a.Admit(&r, start)
	a.Answered(&download, Measured, time.Millisecond, start)
	r.Long = true
	upload, _ := a.Admit(&r, start)
	if a.InFlight() != 0 || a.Tenant("a") != 2 {
		t.Errorf("%d of the limit, %d of the tenant; want 0 and 2", a.InFlight(), a.Tenant("a"))
	}
	a.Answered(&upload, Measured, time.Hour, start)
	a.Done(&upload)
	a.Done(&download)
	if a.InFlight() != 0 || a.Tenant("a") != 0 || a.tenants.squares.Load() != 0 {
		t.Errorf("%d of the limit, %d of the tenant are left", a.InFlight(), a.Tenant("a"))
	}
}

func TestNothingIsLostUnderConcurrency(t *testing.T) {
	t.Parallel()
	a := New(&Config{Min: 4, Max: 8})
	route := a.NewRoute()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				r := Request{Route: route, Tenant: fmt.Sprint(i % (10 * (g + 1))), Class: Class(i % 3), Most: 3}
				now := start + int64(i)*int64(time.Millisecond)
				if ticket, reason := a.Admit(&r, now); reason == Admitted {
					a.Answered(&ticket, Outcome(i%3), time.Millisecond, now)
					a.Done(&ticket)
				}
			}
		})
	}
	wg.Wait()
	if a.InFlight() != 0 || a.auth.Load() != 0 || a.tenants.squares.Load() != 0 {
		t.Errorf("%d in flight, %d of auth, %d squares are left", a.InFlight(), a.auth.Load(), a.tenants.squares.Load())
	}
	for i := range 100_000 {
		ticket, _ := a.Admit(&Request{Route: route, Tenant: fmt.Sprint("passing-", i)}, start)
		a.Done(&ticket)
	}
	known := 0
	for i := range a.tenants.shards {
		known += len(a.tenants.shards[i].known)
	}
	if known > shards*idleTenants {
		t.Errorf("%d tenants are remembered", known)
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	a := New(&Config{Min: 64, Max: 512})
	r := Request{Route: a.NewRoute(), Tenant: "acme", Most: 50}
	now := start
	if n := testing.AllocsPerRun(10_000, func() {
		now += int64(50 * time.Microsecond)
		ticket, _ := a.Admit(&r, now)
		a.Answered(&ticket, Measured, time.Millisecond, now)
		a.Done(&ticket)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	a := New(&Config{Min: 64, Max: 512})
	route := a.NewRoute()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := Request{Route: route, Tenant: "acme", Most: 50}
		for now := start; pb.Next(); now += 1000 {
			ticket, _ := a.Admit(&r, now)
			a.Answered(&ticket, Measured, time.Millisecond, now)
			a.Done(&ticket)
		}
	})
}

func Example() {
	a := New(&Config{Min: 4, Max: 512})
	route := a.NewRoute()
	began := time.Now()
	ticket, reason := a.Admit(&Request{Route: route, Class: Normal, Tenant: "acme", Most: 50}, began.UnixNano())
	fmt.Println(reason)
	a.Answered(&ticket, Measured, time.Since(began), time.Now().UnixNano()) // the head is there
	a.Done(&ticket)                                                         // and all of it
	// Output: admitted
}
