package revocation

import (
	"container/heap"

	"github.com/google/uuid"
)

// queue gives sessions back in the order in which they expire.
type queue struct {
	until map[uuid.UUID]int64 // ms since 1970
	heap  waiting             // one for each of until, none of them later
}

func (q *queue) len() int { return len(q.until) }

// put reports whether the session is new; of one that is known the later time
// counts.
func (q *queue) put(session uuid.UUID, until int64) bool {
	known, ok := q.until[session]
	if !ok {
		heap.Push(&q.heap, waits{session, until})
	} else if until <= known {
		return false
	}
	q.until[session] = until
	return !ok
}

// settle moves those back whose time has become later since they were put.
func (q *queue) settle() {
	for {
		first := &q.heap[0]
		until := q.until[first.session]
		if until == first.until {
			return
		}
		first.until = until
		heap.Fix(&q.heap, 0)
	}
}

// first returns when the next one expires. There must be one.
func (q *queue) first() int64 {
	q.settle()
	return q.heap[0].until
}

// take removes what expires first, and returns it. There must be one.
func (q *queue) take() uuid.UUID {
	q.settle()
	session := heap.Pop(&q.heap).(waits).session
	delete(q.until, session)
	return session
}

type waits struct {
	session uuid.UUID
	until   int64
}

// waiting implements heap.Interface.
type waiting []waits

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].until < w[j].until }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)        { *w = append(*w, x.(waits)) }
func (w *waiting) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	*w = (*w)[:last]
	return x
}
