package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Lookup returns the addresses of a host, as [net.Resolver.LookupNetIP] does:
// network is "ip" for both A and AAAA.
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

var systemLookup Lookup = net.DefaultResolver.LookupNetIP

const (
	// lookupTimeout bounds one look-up, and firstLookup those at the start.
	lookupTimeout = 3 * time.Second
	firstLookup   = time.Second
)

var lookupFailures = metrics.NewCounter(`gateway_proxy_resolve_failures_total`)

var errNoAddress = errors.New("it has no address")

// name is a host that stands for the backends at all its addresses.
type name struct {
	entry, host, port string

	known   bool // it has been resolved once
	failing bool
	crowded bool // some of its addresses found no room
}

// nameIn returns the name in a configured address, or nil when there is nothing
// to resolve.
func nameIn(entry string) *name {
	if _, ok := socketPath(entry); ok {
		return nil
	}
	host, port, _ := net.SplitHostPort(entry) // validated
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	return &name{entry: entry, host: host, port: port}
}

func (s *balance) lookFirst(names []*name) {
	ctx, cancel := context.WithTimeout(s.running, firstLookup)
	defer cancel()
	var wg sync.WaitGroup
	for _, n := range names {
		wg.Go(func() { s.look(ctx, n) })
	}
	wg.Wait()
}

// follow looks a name up again and again; at least every second until it has
// been resolved once.
func (s *balance) follow(n *name) {
	for {
		every := s.config.ResolveInterval
		if !n.known {
			every = min(every, time.Second)
		}
		if !pause(s.running, every) {
			return
		}
		ctx, cancel := context.WithTimeout(s.running, lookupTimeout)
		s.look(ctx, n)
		cancel()
	}
}

// pause waits for about d and reports whether ctx goes on. Gateways that were
// started together do not stay in step.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))) //nolint:gosec // there is nothing to guess
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// look resolves a name. When that fails, or there is nothing behind the name,
// its backends stay: a resolver in trouble must not take down what works.
func (s *balance) look(ctx context.Context, n *name) {
	found, err := s.lookup(ctx, "ip", n.host)
	if err == nil && len(found) == 0 {
		err = errNoAddress
	}
	if s.running.Err() != nil {
		return
	}
	if err != nil {
		lookupFailures.Inc()
		if !n.failing {
			n.failing = true
			s.log.Warn("a name of backends cannot be resolved; its last addresses stay in use", "name", n.host, "cause", err)
		}
		return
	}
	if n.failing {
		n.failing = false
		s.log.Info("a name of backends is resolved again", "name", n.host)
	}
	n.known = true
	addrs := make([]string, 0, len(found))
	for _, ip := range found {
		addrs = append(addrs, net.JoinHostPort(ip.Unmap().String(), n.port))
	}
	slices.Sort(addrs)
	left := s.adopt(n.entry, slices.Compact(addrs))
	if left > 0 && !n.crowded {
		s.log.Warn("a name has more addresses than there is room for", "name", n.host, "left_out", left, "most", maxBackends)
	}
	n.crowded = left > 0
}

// adopt makes addrs the backends of one configured entry, and returns how many
// of them found no room. New ones join with a growing share; those that are gone
// finish their requests.
func (s *balance) adopt(entry string, addrs []string) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running.Err() != nil {
		return 0
	}
	before := *s.members.Load()
	var list, gone []*backend
	for _, b := range before {
		if b.entry == entry && !slices.Contains(addrs, b.addr) {
			gone = append(gone, b)
		} else {
			list = append(list, b)
		}
	}
	kept := len(list)
	for _, addr := range addrs {
		if slices.ContainsFunc(list, func(b *backend) bool { return b.addr == addr }) {
			continue // perhaps of another name
		}
		if len(list) == maxBackends {
			left++
			continue
		}
		b := newBackend(entry, addr, s)
		s.warmUp(b)
		list = append(list, b)
	}
	if len(gone) == 0 && len(list) == kept {
		return left
	}
	s.members.Store(&list)
	for _, b := range list[kept:] {
		s.watch(b)
		s.log.Info("backend joins", "backend", b.addr, "entry", entry)
	}
	for _, b := range gone {
		b.leave()
		s.log.Info("backend leaves", "backend", b.addr, "entry", entry)
	}
	return left
}
