package logtail

import "sync"

// Item is a line as JSON without its line break, or how many lines were lost in
// its place.
type Item struct {
	Line    string
	Dropped int
}

// Reader gets the lines that fit its filter.
type Reader struct {
	hub     *Hub
	filter  string
	matcher matcher
	ready   chan struct{}

	mu    sync.Mutex
	items []Item
}

// Ready holds a value when there may be something to take.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Take returns what has come since the last time.
func (r *Reader) Take() []Item {
	r.mu.Lock()
	defer r.mu.Unlock()
	items := r.items
	r.items = nil
	return items
}

// Close ends the reader.
func (r *Reader) Close() { r.hub.remove(r) }

// push never waits: a line for which there is no room is lost.
func (r *Reader) push(line string) {
	r.mu.Lock()
	if len(r.items) < r.hub.capacity {
		r.items = append(r.items, Item{Line: line})
	} else {
		r.lose(1)
	}
	r.mu.Unlock()
	signal(r.ready)
}

// drop tells the reader that n lines were lost on the way.
func (r *Reader) drop(n int) {
	r.mu.Lock()
	r.lose(n)
	r.mu.Unlock()
	signal(r.ready)
}

// lose is called with mu held. One item more than the capacity may tell of it.
func (r *Reader) lose(n int) {
	if last := len(r.items) - 1; last >= 0 && r.items[last].Dropped > 0 {
		r.items[last].Dropped += n
		return
	}
	r.items = append(r.items, Item{Dropped: n})
}

// signal leaves a value unless there is one already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
