package verdict

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/pg"
	"gatehouse/internal/feed"
	"gatehouse/internal/revocation"
)

var errEnded = errors.New("the session has ended")

// fake is a database in which sessions end. During is called while it is asked.
type fake struct {
	asked  int
	ended  atomic.Bool
	during func()
}

func (f *fake) Admit(context.Context, pg.Scope) error {
	f.asked++
	ended := f.ended.Load()
	if f.during != nil {
		f.during()
	}
	if ended {
		return errEnded
	}
	return nil
}

type rig struct {
	t   *testing.T
	db  *fake
	now time.Time
	s   *Sessions
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, db: &fake{}, now: time.Now()}
	r.s = New(r.db, func() time.Time { return r.now })
	return r
}

// admit wants a verdict, and how often the database was asked in all.
func (r *rig) admit(scope pg.Scope, want error, asked int) {
	r.t.Helper()
	if err := r.s.Admit(r.t.Context(), scope); !errors.Is(err, want) {
		r.t.Errorf("Admit = %v, want %v", err, want)
	}
	if r.db.asked != asked {
		r.t.Errorf("the database was asked %d times, want %d", r.db.asked, asked)
	}
}

func (r *rig) after(d time.Duration) { r.now = r.now.Add(d) }

func caller() pg.Scope {
	return pg.Scope{Tenant: "acme", Session: uuid.New(), User: uuid.New()}
}

func TestVerdictsLastASecond(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), caller()
	r.admit(c, nil, 1)
	r.db.ended.Store(true)
	r.after(age - 1)
	r.admit(c, nil, 1)
	r.after(1)
	r.admit(c, errEnded, 2)
	r.admit(c, errEnded, 3) // a refusal is not kept
	r.db.ended.Store(false)
	r.admit(c, nil, 4)
	r.after(age / 2)
	r.admit(c, nil, 4)
}

// A verdict counts from before the question, however long that took.
func TestVerdictsCountFromTheQuestion(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), caller()
	r.db.during = func() { r.after(age - 1) }
	r.admit(c, nil, 1)
	r.admit(c, nil, 1)
	r.after(1)
	r.admit(c, nil, 2)
}

func TestVerdictsAreOfOneCaller(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), caller()
	r.admit(c, nil, 1)
	for i, other := range []pg.Scope{
		{Tenant: "globex", Session: c.Session, User: c.User},
		{Tenant: c.Tenant, Session: c.Session, User: uuid.New()},
		{Tenant: c.Tenant, Session: uuid.New(), User: c.User},
	} {
		r.db.ended.Store(true)
		r.admit(other, errEnded, 2+i)
	}
}

func TestNewsEndsVerdicts(t *testing.T) {
	t.Parallel()
	c := caller()
	news := map[string]struct {
		item feed.Item
		ends bool
	}{
		"the session":     {revocation.Item(c.Session, time.Now().Add(time.Hour)), true},
		"another session": {revocation.Item(uuid.New(), time.Now().Add(time.Hour)), false},
		"the tenant":      {feed.Item{Kind: feed.Tenant, Key: c.Tenant, Version: 2}, true},
		"another tenant":  {feed.Item{Kind: feed.Tenant, Key: "globex", Version: 2}, false},
	}
	for what, n := range news {
		for _, old := range []bool{false, true} {
			r := newRig(t)
			r.after(age)
			r.admit(c, nil, 1)
			asked := 1
			if old { // another verdict has begun the next second
				r.after(age - 1)
				r.s.turned = r.now.Add(-age)
				asked++
				r.admit(caller(), nil, asked)
			}
			r.db.ended.Store(true)
			r.s.Apply([]feed.Item{n.item})
			if n.ends {
				r.admit(c, errEnded, asked+1)
			} else {
				r.admit(c, nil, asked)
			}
			if t.Failed() {
				t.Fatalf("after news of %s, old %v", what, old)
			}
		}
	}
}

// The session ends after the database has answered and before that is kept.
func TestNewsOvertakesAnAnswer(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), caller()
	r.db.during = func() {
		r.db.ended.Store(true)
		r.s.Apply([]feed.Item{revocation.Item(c.Session, r.now.Add(time.Hour))})
	}
	r.admit(c, nil, 1)
	r.admit(c, errEnded, 2)
}

func TestVerdictsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	asked := 0
	for second := range 3 {
		for range most + 10 {
			asked++
			r.admit(caller(), nil, asked)
		}
		if n, want := len(r.s.young)+len(r.s.old), min(second+1, 2)*most; n != want {
			t.Fatalf("%d verdicts are kept in second %d, want %d", n, second, want)
		}
		r.after(age)
	}
}
