package proxy

import "time"

// standing is what a backend is used for.
type standing int32

const (
	// usable backends get the requests.
	usable standing = iota
	// lastResort ones get a request when no usable one is left for it. They
	// answer, if only that they are not ready, or are left out on the word of
	// requests alone: if all of them are, then the fault may be this gateway's.
	lastResort
	// silent ones do not answer their health check, or with a fault, and get
	// nothing.
	silent
)

func (b *backend) standing() standing { return standing(b.place.Load()) }

const (
	// ejectAfter is how many attempts in a row must fail before a backend is
	// left out on their word.
	ejectAfter = 5
	// A backend that is left out on the word of requests stays out for
	// minEjection, twice as long each time it fails again, at most maxEjection.
	// When it has been used for that long, its past is forgotten.
	minEjection = time.Second
	maxEjection = 30 * time.Second

	// silentAfter is how many health checks in a row must fail before a backend
	// is taken to be gone, and backAfter how many it must answer then.
	silentAfter = 2
	backAfter   = 2
)

// health is what is known about a backend.
type health struct {
	found     verdict // by the health checks, in sum
	bad, good int     // health checks in a row
	answers   uint64  // to requests, up to the last check
	why       string  // it is not usable

	out         bool // on the word of requests
	ejections   int  // without a long time of use between them
	readmitted  time.Time
	readmission *time.Timer
	// trial says that it is used again after an ejection, and has yet to answer.
	trial bool
	// told is what the log says of it.
	told standing

	gone bool // not of the set any more
}

// eject leaves a backend out for a while, on the word of requests. Half of the
// backends stay in: when more of them seem to fail at once it is more likely
// that what they have in common does, the gateway's own network for one. A
// backend whose health check failed too does not count as a mere seeming.
func (s *balance) eject(b *backend, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone || b.out || b.failures.Load() < ejectAfter || b.bad == 0 && !s.mayEject() {
		return
	}
	now := time.Now()
	if now.Sub(b.readmitted) >= maxEjection {
		b.ejections = 0
	}
	pause := min(minEjection<<b.ejections, maxEjection)
	if pause < maxEjection {
		b.ejections++
	}
	b.out = true
	b.ejected[o].Inc()
	b.readmission = time.AfterFunc(pause, func() { s.readmit(b) })
	s.settle(b, "requests failed: "+o.String())
}

func (s *balance) mayEject() bool {
	list := *s.members.Load()
	out := 1
	for _, b := range list {
		if b.out {
			out++
		}
	}
	return 2*out <= len(list)
}

// readmit ends an ejection. The next failure, with no answer before it, leaves
// the backend out again.
func (s *balance) readmit(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone {
		return
	}
	b.out = false
	b.readmitted = time.Now()
	b.failures.Store(ejectAfter - 1)
	b.trial = true
	s.settle(b, "")
	b.trial = b.standing() == usable
}

// prove ends the trial of a backend: it has answered.
func (s *balance) prove(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.trial && !b.gone {
		b.trial = false
		s.tell(b, usable)
	}
}

// learn takes in what a health check found. One answer of not ready is enough,
// since the backend says so itself; a check without an answer may be bad luck.
func (s *balance) learn(b *backend, v verdict, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone {
		return
	}
	b.checks[v].Inc()
	switch {
	case v == ready:
		b.bad = 0
		b.good++
		// With nobody else there is nothing to be gained by waiting.
		if b.found == notReady || b.good >= backAfter || !s.anyUsable() {
			b.found = ready
		}
	case v == notReady:
		b.bad, b.good, b.found = 0, 0, notReady
	case b.answers != b.counts[answered].Get():
		// It answers requests, so it is there; a check that waits too long then
		// means that it has much to do.
	default:
		b.good = 0
		if b.bad++; b.bad >= silentAfter {
			b.found = noVerdict
		}
	}
	b.answers = b.counts[answered].Get()
	s.settle(b, why)
}

// settle draws the conclusion from what is known about a backend.
func (s *balance) settle(b *backend, why string) {
	now := usable
	switch {
	case b.found == noVerdict:
		now = silent
	case b.found == notReady, b.out:
		now = lastResort
	}
	before := b.standing()
	if now == before {
		return
	}
	if now == usable {
		s.warmUp(b)
		b.why = ""
	} else {
		b.why, b.trial = why, false
	}
	if !b.trial {
		s.tell(b, now)
	}
	b.place.Store(int32(now))
}

// tell logs what became of a backend when it is another thing than before. One
// that fails again and again after its ejections is told of once.
func (s *balance) tell(b *backend, now standing) {
	switch {
	case now == b.told:
		return
	case now == usable:
		s.log.Info("backend is used again", "backend", b.addr)
	default:
		s.log.Warn("backend is left out", "backend", b.addr, "reason", b.why)
	}
	b.told = now
}

func (s *balance) anyUsable() bool {
	for _, b := range *s.members.Load() {
		if b.standing() == usable {
			return true
		}
	}
	return false
}
