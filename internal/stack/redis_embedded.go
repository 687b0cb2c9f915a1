package stack

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// embeddedTick is how often the embedded server's keys age. They would never
// expire by themselves, and looking at each of them at every command, as the
// server also offers, costs more the more there are.
const embeddedTick = 20 * time.Millisecond

// An embedded is a Redis server inside this process.
type embedded struct {
	addr, password string

	mu     sync.Mutex
	server *miniredis.Miniredis // nil while stopped
	quit   chan struct{}        // closed at stop
	paused chan struct{}        // non-nil while paused; closed at resume
}

// start starts an empty server.
func (e *embedded) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server != nil {
		return errors.New("redis runs already")
	}
	m := miniredis.NewMiniRedis()
	m.RequireAuth(e.password)
	if err := m.StartAddr(e.addr); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	quit := make(chan struct{})
	m.Server().SetPreHook(func(*server.Peer, string, ...string) bool {
		e.wait(quit)
		return false
	})
	e.server, e.quit, e.paused = m, quit, nil
	go age(m, quit)
	return nil
}

// age lets time pass for the server's keys until quit is closed.
func age(m *miniredis.Miniredis, quit <-chan struct{}) {
	tick := time.NewTicker(embeddedTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-quit:
			return
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}

// wait holds a command back while the server is paused.
func (e *embedded) wait(quit <-chan struct{}) {
	e.mu.Lock()
	paused := e.paused
	e.mu.Unlock()
	if paused == nil {
		return
	}
	select {
	case <-paused:
	case <-quit:
	}
}

func (e *embedded) stop() {
	e.mu.Lock()
	m := e.server
	if m != nil {
		close(e.quit) // frees the commands that a pause holds back
		e.server, e.paused = nil, nil
	}
	e.mu.Unlock()
	if m != nil {
		m.Close()
	}
}

func (e *embedded) pause() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paused == nil && e.server != nil {
		e.paused = make(chan struct{})
	}
}

func (e *embedded) resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paused != nil {
		close(e.paused)
		e.paused = nil
	}
}
