package limit

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

func TestBook(t *testing.T) {
	t.Parallel()
	b := NewBook()
	if got := b.Get("acme"); got != nil || b.Len() != 0 {
		t.Errorf("an empty book has %d tenants, and %+v", b.Len(), got)
	}
	apply := func(id string, version int64, plan string) { b.Apply(Tenant{ID: id, Version: version, Plan: plan}) }
	apply("acme", 2, "free")
	old := b.Get("acme")
	apply("acme", 1, "standard") // came late
	apply("acme", 2, "premium")  // was read again
	apply("zeta", 1, "standard")
	if got := b.Get("acme"); got == nil || got.Version != 2 || got.Plan != "free" {
		t.Errorf("an older state has replaced a newer one: %+v", got)
	}
	apply("acme", 3, "premium")
	if got := b.Get("acme"); got == nil || got.Version != 3 || got.Plan != "premium" {
		t.Errorf("a newer state has not replaced an older one: %+v", got)
	}
	if old.Version != 2 || old.Plan != "free" {
		t.Errorf("what somebody holds has changed: %+v", old)
	}
	if got := b.Get("zeta"); got == nil || got.Plan != "standard" || b.Get("acm") != nil || b.Len() != 2 {
		t.Errorf("%d tenants, and %+v", b.Len(), got)
	}
}

// More tenants than pages, so that they share them.
func TestBookOfManyTenants(t *testing.T) {
	t.Parallel()
	b := NewBook()
	const n = 3 * bookPages
	for version := range int64(2) {
		for i := range n {
			b.Apply(Tenant{ID: fmt.Sprint("tenant-", i), Version: version + int64(i)})
		}
	}
	for i := range n {
		id := fmt.Sprint("tenant-", i)
		if got := b.Get(id); got == nil || got.ID != id || got.Version != 1+int64(i) {
			t.Fatalf("Get(%s) = %+v", id, got)
		}
	}
	if b.Len() != n {
		t.Errorf("Len() = %d, want %d", b.Len(), n)
	}
}

func TestBookIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := NewBook()
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for version := int64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				if got := b.Get("acme"); got != nil {
					if got.Version < version {
						t.Errorf("version %d came after %d", got.Version, version)
						return
					}
					version = got.Version
				}
				runtime.Gosched()
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 10_000 {
				b.Apply(Tenant{ID: "acme", Version: int64(i)})
				b.Apply(Tenant{ID: fmt.Sprint("tenant-", w, "-", i%1000), Version: 1})
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if got := b.Get("acme"); got.Version != 9_999 || b.Len() != 2001 {
		t.Errorf("%d tenants, and %+v", b.Len(), got)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	b := NewBook()
	b.Apply(Tenant{ID: "acme", Version: 1})
	if n := testing.AllocsPerRun(1000, func() {
		if b.Get("acme") == nil || b.Get("a tenant that nobody has heard of, with a long name") != nil {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	book := NewBook()
	for i := range 10_000 {
		book.Apply(Tenant{ID: fmt.Sprint("tenant-", i), Version: 1})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			book.Get("tenant-77")
		}
	})
}

func ExampleBook() {
	book := NewBook()
	book.Apply(Tenant{ID: "acme", Version: 2, Status: "suspended", Plan: "premium"})
	book.Apply(Tenant{ID: "acme", Version: 1, Status: "active", Plan: "free"}) // came late
	t := book.Get("acme")
	fmt.Println(t.Plan, t.Refused(), book.Get("zeta") == nil)
	// Output: premium true true
}
