package stack

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
)

func TestReservedPortsAreDistinct(t *testing.T) {
	t.Parallel()
	const n = 100
	ports := make([]*Port, n)
	var wait sync.WaitGroup
	for i := range ports {
		wait.Go(func() {
			p, err := ReservePort()
			if err != nil {
				t.Error(err)
				return
			}
			ports[i] = p
		})
	}
	wait.Wait()
	seen := map[int]bool{}
	for _, p := range ports {
		if p == nil {
			continue
		}
		if seen[p.Number] {
			t.Errorf("port %d was given twice", p.Number)
		}
		seen[p.Number] = true
		if p.Number < firstPort || p.Number > lastPort {
			t.Errorf("port %d is out of the range", p.Number)
		}
		l, err := net.Listen("tcp", p.Addr())
		if err != nil {
			t.Errorf("a reserved port cannot be listened on: %v", err)
			continue
		}
		if probe(p.Addr()) == nil {
			t.Errorf("the probe does not see the listener on %s", p.Addr())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.Release()
		p.Release() // a second time does no harm
	}
}

// Not parallel: another test might take the port in between.
func TestReservedPortOfAName(t *testing.T) {
	reserve := func() *Port {
		p, err := ReservePortFor(t.Name())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := reserve()
	second := reserve()
	if first.Number == second.Number {
		t.Errorf("port %d was given twice", first.Number)
	}
	first.Release()
	again := reserve()
	if again.Number != first.Number {
		t.Errorf("got port %d, then %d", first.Number, again.Number)
	}
	second.Release()
	again.Release()
}

func TestFileLock(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/lock"
	first, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.note("1234"); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(path); string(content) != "1234" {
		t.Errorf("the note is %q (%v)", content, err)
	}
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("the second lock: %v, want errLocked", err)
	}
	got := make(chan error)
	go func() {
		second, err := waitLock(path)
		// The first holder's file is gone; this one is of its own making.
		if err == nil && !isFile(second.file, path) {
			t.Error("the second holder has locked a file that nobody else will find")
		}
		second.release()
		got <- err
	}()
	first.release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAbandonedThrowawaysAreRemoved(t *testing.T) {
	t.Parallel()
	abandoned, err := newThrowaway(nil)
	if err != nil {
		t.Fatal(err)
	}
	// What a killed owner leaves: the directory, and a lock that nobody holds.
	if err := abandoned.lock.file.Close(); err != nil {
		t.Fatal(err)
	}
	inUse, err := newThrowaway(nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := newThrowaway(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  *throwaway
		want bool
	}{{abandoned, false}, {inUse, true}, {next, true}} {
		if _, err := os.Stat(c.dir.path); (err == nil) != c.want {
			t.Errorf("%s is there: %v, want %v", c.dir.path, err == nil, c.want)
		}
		if err := c.dir.remove(); err != nil {
			t.Error(err)
		}
	}
}
