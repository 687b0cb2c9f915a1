package cache

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/problem"
)

func TestReadThrough(t *testing.T) {
	onBoth(t, func(r *rig) {
		ours, theirs := r.cache(), r.cache()
		d := &table{row: "old"}
		d.reads(r.t, ours, "old", 1)
		d.reads(r.t, ours, "old", 1)
		d.reads(r.t, theirs, "old", 1)

		d.row = "new"
		theirs.Wrote(r.t.Context(), "acme", Users, nil) // another kind
		theirs.Wrote(r.t.Context(), "globex", Contacts, nil)
		d.reads(r.t, ours, "old", 1)
		theirs.Wrote(r.t.Context(), "acme", Contacts, nil)
		d.reads(r.t, ours, "new", 2)
		d.reads(r.t, theirs, "new", 2)
	})
}

func TestAbsenceIsKept(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{}
		d.reads(r.t, c, "", 1)
		d.reads(r.t, c, "", 1)
		d.row = "made"
		c.Wrote(r.t.Context(), "acme", Contacts, nil)
		d.reads(r.t, c, "made", 2)
	})
}

// A refusal changed nothing; what is not known may have.
func TestOutcomesOfWrites(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{row: "a"}
		d.reads(r.t, c, "a", 1)
		c.Wrote(r.t.Context(), "acme", Contacts, problem.New(problem.PreconditionFailed))
		d.reads(r.t, c, "a", 1)
		c.Wrote(r.t.Context(), "acme", Contacts, errors.New("connection lost"))
		d.reads(r.t, c, "a", 2)
		// The request's end does not keep a write from being seen.
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		c.Wrote(ctx, "acme", Contacts, nil)
		d.reads(r.t, c, "a", 3)
	})
}

// What is kept is for those only who may have it now.
func TestEveryCallerIsChecked(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{row: "mine"}
		d.reads(r.t, c, "mine", 1)
		d.admit = errRefused
		if got, err := c.Read(r.t.Context(), entry, d.reader()); !errors.Is(err, errRefused) || got != nil {
			r.t.Errorf("got %q, %v", got, err)
		}
	})
}

// A value that was loaded before a write is stored after it, and not taken.
func TestLateStore(t *testing.T) {
	onBoth(t, func(r *rig) {
		slow, fast := r.cache(), r.cache()
		d := &table{row: "new"}
		got, err := slow.Read(r.t.Context(), entry, Reader{Load: func(ctx context.Context) ([]byte, error) {
			fast.Wrote(ctx, "acme", Contacts, nil) // while this one has the old value in its hands
			return []byte("old"), nil
		}})
		if string(got) != "old" || err != nil {
			r.t.Fatalf("got %q, %v", got, err)
		}
		d.reads(r.t, slow, "new", 1)
		d.reads(r.t, fast, "new", 1)
	})
}

// Those that come while a value is loaded share it, each checked by itself.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, began := New(Config{Mode: inRedis}, nil), time.Now()
		want := strings.Repeat("v", maxValue+1) // which is not stored
		finish := make(chan struct{})
		loads, admitted := 0, 0
		var mu sync.Mutex
		r := Reader{
			Load:  func(context.Context) ([]byte, error) { loads++; <-finish; return []byte(want), nil },
			Admit: func(context.Context) error { mu.Lock(); defer mu.Unlock(); admitted++; return nil },
		}
		for range 20 {
			go func() {
				if got, err := c.load(t.Context(), entry, "generation", began, r); string(got) != want || err != nil {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			}()
		}
		synctest.Wait()
		close(finish)
		synctest.Wait()
		if loads != 1 || admitted != 19 || len(c.flights) != 0 {
			t.Errorf("loaded %d times, checked %d callers, %d flights left", loads, admitted, len(c.flights))
		}
	})
}

// Whoever looks after a write does not wait for a value from before it.
func TestFlightFromBeforeAWrite(t *testing.T) {
	onBoth(t, func(r *rig) {
		c := r.cache()
		loading, finish := make(chan struct{}), make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			_, _ = c.Read(r.t.Context(), entry, Reader{Load: func(context.Context) ([]byte, error) {
				close(loading)
				<-finish
				return []byte("old"), nil
			}})
		})
		<-loading
		c.Wrote(r.t.Context(), "acme", Contacts, nil)
		d := &table{row: "new"}
		d.reads(r.t, c, "new", 1)
		close(finish)
		wait.Wait()
		d.reads(r.t, c, "new", 2) // the late value took the place of this one
	})
}

// A failure of one caller is nobody else's.
func TestFailureIsNotShared(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{row: "v"}
		_, err := c.Read(r.t.Context(), entry, Reader{Load: func(context.Context) ([]byte, error) { return nil, errRefused }})
		if !errors.Is(err, errRefused) {
			r.t.Fatal(err)
		}
		d.reads(r.t, c, "v", 1)
	})
}

func TestBounds(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, direct := r.cache(), r.client()
		d := &table{row: strings.Repeat("x", maxValue)}
		d.reads(r.t, c, d.row, 1)
		d.reads(r.t, c, d.row, 1)
		for _, key := range []string{entry.name(), entry.scope().name()} {
			age, err := direct.PTTL(r.t.Context(), key).Result()
			r.must(err)
			if key == entry.name() && (age <= 0 || age > maxAge) || age > generationAge || age <= 0 {
				r.t.Errorf("%s lives for %v", key, age)
			}
		}
		d.row += "x"
		c.Wrote(r.t.Context(), "acme", Contacts, nil)
		d.reads(r.t, c, d.row, 2)
		d.reads(r.t, c, d.row, 3) // too large to keep

		// What is not of this form is not taken.
		generation := direct.Get(r.t.Context(), entry.scope().name()).Val()
		for _, text := range []string{"", "+x", generation, generation + "?", generation[1:] + "+x"} {
			r.must(direct.Set(r.t.Context(), entry.name(), text, 0).Err())
			d.reads(r.t, c, d.row, d.loads+1)
		}
	})
}

func TestOff(t *testing.T) {
	t.Parallel()
	c, d := New(Config{Mode: off}, nil), &table{row: "a"}
	c.Run(t.Context()) // has nothing to do
	d.reads(t, c, "a", 1)
	c.Wrote(t.Context(), "acme", Contacts, nil)
	d.reads(t, c, "a", 2)
}

// Empty values are values.
func TestEmptyValue(t *testing.T) {
	onBoth(t, func(r *rig) {
		c := r.cache()
		loads := 0
		for range 2 {
			got, err := c.Read(r.t.Context(), entry, Reader{
				Load:  func(context.Context) ([]byte, error) { loads++; return nil, nil },
				Admit: func(context.Context) error { return nil },
			})
			if err != nil || !bytes.Equal(got, nil) {
				r.t.Errorf("got %q, %v", got, err)
			}
		}
		if loads != 1 {
			r.t.Errorf("loaded %d times", loads)
		}
	})
}
