package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// probeEvery is how often a balancer asks gateways whether they are ready. It has to
// be well below DRAIN_DELAY, the time that they give it to turn away.
const probeEvery = time.Second

// A balancer stands for the load balancer in front of a fleet. It passes each
// connection on to a gateway that says that it is ready, in turn, and does not look
// into it.
type balancer struct {
	listener net.Listener
	fleet    []*member
	next     atomic.Uint32
	running  sync.WaitGroup
}

// A member is a gateway that a balancer knows.
type member struct {
	address string // host:port of its TLS listener
	ops     string // base URL of its ops listener
	ready   atomic.Bool
}

// balance starts a balancer that runs until ctx ends.
func balance(ctx context.Context, fleet []*member) (*balancer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: listener, fleet: fleet}
	b.probe(ctx)
	b.running.Go(func() { b.watch(ctx) })
	b.running.Go(func() { b.accept(ctx) })
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	return b, nil
}

// base is where clients find it.
func (b *balancer) base() string { return "https://" + b.listener.Addr().String() }

func (b *balancer) watch(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.probe(ctx)
		}
	}
}

var prober = &http.Client{Timeout: probeEvery, Transport: &http.Transport{DisableKeepAlives: true}}

func (b *balancer) probe(ctx context.Context) {
	for _, m := range b.fleet {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.ops+"/health/ready", http.NoBody)
		if err != nil {
			continue
		}
		answer, err := prober.Do(request)
		m.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
		if err == nil {
			_ = answer.Body.Close()
		}
	}
}

func (b *balancer) accept(ctx context.Context) {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		b.running.Go(func() { b.pass(ctx, client) })
	}
}

var errNobodyReady = errors.New("no gateway is ready")

// dial connects to the next gateway that is ready. One that refuses is passed over:
// it ended after its last probe.
func (b *balancer) dial(ctx context.Context) (net.Conn, error) {
	first, err := int(b.next.Add(1)), errNobodyReady
	for i := range b.fleet {
		m := b.fleet[(first+i)%len(b.fleet)]
		if !m.ready.Load() {
			continue
		}
		var gateway net.Conn
		if gateway, err = (&net.Dialer{}).DialContext(ctx, "tcp", m.address); err == nil {
			return gateway, nil
		}
	}
	return nil, err
}

// pass carries a connection's bytes in both directions until both have ended. A client
// that nobody is ready for is hung up on.
func (b *balancer) pass(ctx context.Context, client net.Conn) {
	defer client.Close()
	gateway, err := b.dial(ctx)
	if err != nil {
		return
	}
	defer gateway.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(client.Close(), gateway.Close()) })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, gateway}, {gateway, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[1].(*net.TCPConn).CloseWrite() // as the other side did
		})
	}
	both.Wait()
}
