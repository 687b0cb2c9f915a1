package console

import (
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/logging"
)

const (
	// maxLines is how many lines wait for those who look on, maxLine the longest of
	// them in bytes; a longer one counts as lost. So 2 MiB is all that they take.
	maxLines = 500
	maxLine  = 4 << 10
	// watchedFor is how long lines are kept after somebody has asked. A gateway
	// whose console nobody looks at keeps none.
	watchedFor = 15 * time.Second
)

// log keeps the last lines while somebody looks on. Whoever logs never waits for
// those who read, except for the moment in which lines are copied.
type log struct {
	tail *logging.Tail

	mu    sync.Mutex
	stop  func()      // nil while nobody looks on
	until time.Time   // when looking on ends, unless somebody asks again
	end   *time.Timer // looks whether it has ended
	lines [maxLines][]byte
	first uint64 // the position of the first line since somebody has looked on
	next  uint64 // the position of the next line
}

// newLog counts from now in microseconds, so that no position of an earlier
// process is taken for one of this one. Numbers of JavaScript hold them.
func newLog(tail *logging.Tail) *log {
	start := uint64(time.Now().UnixMicro())
	return &log{tail: tail, first: start, next: start}
}

// watch sees to it that lines are kept for the next while.
func (l *log) watch() {
	if l.tail == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Now().Add(watchedFor)
	if l.stop != nil {
		return
	}
	l.next++ // what was read up to now is not of this time
	l.first = l.next
	l.end = time.AfterFunc(watchedFor, l.rest)
	l.stop = l.tail.To(l.add)
}

// rest keeps no more lines, and forgets those that it has.
func (l *log) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := time.Until(l.until); left > 0 {
		l.end.Reset(left)
		return
	}
	l.stop()
	l.stop = nil
	l.lines = [maxLines][]byte{}
}

func (l *log) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slot := &l.lines[l.next%maxLines]
	*slot = (*slot)[:0]
	if len(line) <= maxLine {
		*slot = append(*slot, line...)
	}
	l.next++
}

// answer gives the lines from the position after on. Anew says that those before
// them are not known, lost how many there were in between and are not here.
func (l *log) answer(ctx *fasthttp.RequestCtx) {
	l.watch()
	after, err := strconv.ParseUint(string(ctx.QueryArgs().Peek("after")), 10, 64)
	body := []byte(`{"lines":[`)

	l.mu.Lock()
	anew := err != nil || after < l.first || after > l.next
	if anew {
		after = l.first
	}
	from := max(after, l.next-min(l.next-l.first, maxLines))
	lost := from - after
	for at := from; at < l.next; at++ {
		line := l.lines[at%maxLines]
		switch {
		case len(line) == 0:
			lost++
			continue
		case body[len(body)-1] != '[':
			body = append(body, ',')
		}
		body = append(body, line...)
	}
	next := l.next
	l.mu.Unlock()

	body = strconv.AppendBool(append(body, `],"anew":`...), anew)
	body = strconv.AppendUint(append(body, `,"lost":`...), lost, 10)
	body = strconv.AppendUint(append(body, `,"next":`...), next, 10)
	ctx.SetContentType("application/json")
	ctx.Response.SetBodyRaw(append(body, "}\n"...))
}
