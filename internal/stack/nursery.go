package stack

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// A nursery starts all children of this process and knows those that live.
//
// Linux ties a child to the thread that started it: when that thread ends, and
// Go ends idle threads whenever it likes, the child gets its parent-death
// signal. So one goroutine that never ends, locked to its thread, starts them
// all.
type nursery struct {
	starts chan func()

	mu    sync.Mutex
	alive map[*Process]*exec.Cmd
}

// children returns the one nursery of this process.
var children = sync.OnceValue(func() *nursery {
	n := &nursery{starts: make(chan func()), alive: map[*Process]*exec.Cmd{}}
	go func() {
		runtime.LockOSThread()
		for start := range n.starts {
			start()
		}
	}()
	return n
})

// start starts cmd, which is p's child from now on.
func (n *nursery) start(p *Process, cmd *exec.Cmd) error {
	result := make(chan error)
	n.starts <- func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		err := cmd.Start()
		if err == nil {
			n.alive[p] = cmd
		}
		result <- err
	}
	return <-result
}

func (n *nursery) forget(p *Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.alive, p)
}

// KillAll kills every child of this process that this package has started, at
// once and without waiting: the way out when stopping in order takes too long.
// PostgreSQL recovers at its next start.
func KillAll() {
	n := children()
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, cmd := range n.alive {
		_ = cmd.Process.Signal(p.quitSignal)
		_ = cmd.Process.Signal(syscall.SIGCONT) // a paused one would not see it
	}
}
