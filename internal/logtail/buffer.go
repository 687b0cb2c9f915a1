package logtail

import "sync"

// buffer holds the lines that wait to be published. Those that come when it is
// full are lost, and leave a gap in the positions.
type buffer struct {
	capacity int

	mu    sync.Mutex
	parts []part
	held  int    // lines in parts
	next  uint64 // the position of the next line
}

// part is lines without a gap, as a message takes them.
type part struct {
	at    uint64
	lines int
	text  []byte
}

// add reports false when the line is lost. Suffix comes before the brace and the
// line break that end it.
func (b *buffer) add(line []byte, suffix string) bool {
	const end = "}\n"
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.next
	b.next++
	if b.held >= b.capacity || len(line) < len(end) || len(line)+len(suffix) > MaxLine {
		return false
	}
	last := len(b.parts) - 1
	if last < 0 || b.parts[last].at+uint64(b.parts[last].lines) != at || len(b.parts[last].text)+len(line) > maxMessage {
		b.parts = append(b.parts, part{at: at})
		last++
	}
	p := &b.parts[last]
	p.text = append(append(append(p.text, line[:len(line)-len(end)]...), suffix...), end...)
	p.lines++
	b.held++
	return true
}

// take empties the buffer.
func (b *buffer) take() []part {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := b.parts
	b.parts, b.held = nil, 0
	return parts
}
