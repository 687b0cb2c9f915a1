package admission

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// model is some gateways before one backend, in virtual time: the backend works
// on some requests at once, and the others wait in their order. It is the same
// each time.
type model struct {
	gateways []*Controller
	routes   [][]*Route // by gateway and operation
	ops      []operation
	sources  []*source
	workers  int
	// slower multiplies the time that work takes from a moment on.
	slower func(now int64) float64

	random *rand.Rand
	now    int64
	queue  []*job
	busy   int
	agenda agenda
	seq    int
}

// operation is one route: the mean time of its work.
type operation struct {
	mean  time.Duration
	class Class
}

// source is one tenant's requests, which come at random and do not wait for one
// another.
type source struct {
	tenant string
	rate   float64 // per second
	op     func(*rand.Rand) int
	from   int64

	answers []sample
	refused map[Reason]int
}

type sample struct {
	at, took int64
	op       int
}

type job struct {
	source  *source
	op      int
	gateway *Controller
	ticket  Ticket
	began   int64
}

type event struct {
	at  int64
	seq int
	do  func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// start is when the model begins, since 0 is no moment.
const start = int64(1_000_000 * time.Second)

func newModel(gateways, workers int, ops ...operation) *model {
	m := &model{
		workers: workers, ops: ops, now: start,
		slower: func(int64) float64 { return 1 },
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // the same each time
	}
	for range gateways {
		c := New(&Config{Min: 4, Max: 512})
		var routes []*Route
		for range ops {
			routes = append(routes, c.NewRoute())
		}
		m.gateways = append(m.gateways, c)
		m.routes = append(m.routes, routes)
	}
	return m
}

// tenant adds a source that always asks for the same.
func (m *model) tenant(name string, rate float64, op int) *source {
	s := &source{tenant: name, rate: rate, op: func(*rand.Rand) int { return op }, refused: map[Reason]int{}}
	m.sources = append(m.sources, s)
	return s
}

func (m *model) after(d int64, do func()) {
	m.seq++
	heap.Push(&m.agenda, event{m.now + d, m.seq, do})
}

func (m *model) run(d time.Duration) {
	for _, s := range m.sources {
		m.arriveLater(s)
	}
	for end := start + int64(d); len(m.agenda) > 0; {
		e := heap.Pop(&m.agenda).(event)
		if e.at > end {
			return
		}
		m.now = e.at
		e.do()
	}
}

func (m *model) arriveLater(s *source) {
	if s.rate <= 0 {
		return
	}
	wait := int64(m.random.ExpFloat64() / s.rate * 1e9)
	m.after(max(wait, start+s.from-m.now), func() {
		m.arrive(s)
		m.arriveLater(s)
	})
}

func (m *model) arrive(s *source) {
	g := m.random.IntN(len(m.gateways))
	j := &job{source: s, op: s.op(m.random), gateway: m.gateways[g], began: m.now}
	var reason Reason
	j.ticket, reason = j.gateway.Admit(&Request{Route: m.routes[g][j.op], Class: m.ops[j.op].class, Tenant: s.tenant}, m.now)
	if reason != Admitted {
		s.refused[reason]++
		return
	}
	if m.busy == m.workers {
		m.queue = append(m.queue, j)
		return
	}
	m.busy++
	m.work(j)
}

func (m *model) work(j *job) {
	// A fifth of the time is the same for all, the rest is random.
	mean := float64(m.ops[j.op].mean) * m.slower(m.now)
	m.after(int64(mean*(0.2+0.8*m.random.ExpFloat64())), func() {
		took := m.now - j.began
		j.gateway.Answered(&j.ticket, Measured, time.Duration(took), m.now)
		j.gateway.Done(&j.ticket)
		j.source.answers = append(j.source.answers, sample{m.now - start, took, j.op})
		if len(m.queue) == 0 {
			m.busy--
			return
		}
		next := m.queue[0]
		m.queue = m.queue[1:]
		m.work(next)
	})
}

// goodput is how much of the backend's capacity went, between two moments, into
// answers that took no longer than patience × the mean of their operation.
func (m *model) goodput(from, to time.Duration, patience float64) float64 {
	var work float64
	for _, s := range m.sources {
		for _, a := range s.answers {
			mean := float64(m.ops[a.op].mean) * m.slower(start+a.at)
			if a.at >= int64(from) && a.at < int64(to) && float64(a.took) <= patience*mean {
				work += mean
			}
		}
	}
	return work / float64(to-from) / float64(m.workers)
}

// p99 is the time that 99 of 100 answers took at most.
func (s *source) p99(from time.Duration) time.Duration {
	var list []int64
	for _, a := range s.answers {
		if a.at >= int64(from) {
			list = append(list, a.took)
		}
	}
	slices.Sort(list)
	return time.Duration(list[len(list)*99/100])
}

// share is the part of a source's requests that was answered.
func (s *source) share() float64 {
	refused := 0
	for _, n := range s.refused {
		refused += n
	}
	return float64(len(s.answers)) / float64(len(s.answers)+refused)
}
