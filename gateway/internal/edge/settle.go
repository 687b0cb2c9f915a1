package edge

import (
	"context"
	"time"
)

const (
	// settleTick is how often a stopping server looks at its connections.
	settleTick = 25 * time.Millisecond
	// idleGrace is how long a connection must have been idle to be closed: a
	// client that has just read an answer may be about to ask again.
	idleGrace = 100 * time.Millisecond
	// freshGrace is how long a connection on which nothing was asked yet may
	// stay silent: its handshake or its first request may be on the way.
	freshGrace = 500 * time.Millisecond
)

// StopAccepting closes the listeners.
func (c *Connections) StopAccepting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ln := range c.listeners {
		_ = ln.Close() // closed already, or never to be used again
	}
}

// Settle waits until every connection is closed, and reports whether that was
// so before ctx ended. Those with a request under way are closed by the server
// after its answer. Idle and silent ones are closed here once they have been so
// for a moment, unless anything has arrived on them: a request that reached this
// machine is answered.
func (c *Connections) Settle(ctx context.Context) bool {
	ticker := time.NewTicker(settleTick)
	defer ticker.Stop()
	silent := map[*Conn]silence{}
	for {
		open := c.all()
		if len(open) == 0 {
			return true
		}
		now := time.Now()
		for _, conn := range open {
			reads := conn.reads.Load()
			grace, expecting := conn.grace(reads)
			since, ok := silent[conn]
			switch {
			case !expecting:
				delete(silent, conn)
			case !ok || since.reads != reads:
				silent[conn] = silence{now, reads}
			case now.Sub(since.start) >= grace && conn.quiet():
				delete(silent, conn)
				// Telling a TLS client whose window is shut takes its time.
				go conn.hangUp()
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// silence is since when nothing was read on a connection.
type silence struct {
	start time.Time
	reads uint32
}

// grace returns how long the connection may stay silent, and whether its client
// owes it a word at all: not while the server has a request of it, and not while
// part of one is here already.
func (c *Conn) grace(reads uint32) (time.Duration, bool) {
	switch state(c.state.Load()) {
	case fresh:
		return freshGrace, true
	case idle, parked:
		return idleGrace, reads == c.spent.Load()
	}
	return 0, false
}

// quiet reports whether nothing lies unread on the connection.
func (c *Conn) quiet() bool {
	if c.socket == nil {
		return true
	}
	quiet := true
	// Control, and not Read, which waits for whoever is reading.
	err := c.socket.Control(func(fd uintptr) {
		waiting, ended := pending(fd)
		quiet = !waiting || ended
	})
	return quiet || err != nil
}
