package tenant

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
)

const (
	// overviewLifetime is how long an overview is shown before a new one is made.
	overviewLifetime = 15 * time.Second
	// askWait is how long an answer waits for a new overview: longer than a look
	// at a database that is silent, so that one such does not make every answer an
	// old one.
	askWait = probeTime + 500*time.Millisecond
	// probesAtOnce bounds the databases that are looked at at the same time.
	probesAtOnce = 8
	// connectTime bounds a new connection, and probeTime all of a look.
	connectTime = 500 * time.Millisecond
	probeTime   = time.Second
	// countTime bounds listing the tenants and counting the users of the main
	// database, which may have many.
	countTime = 5 * time.Second
)

// pending is the fault of a database that was not asked yet.
const pending pg.Fault = "pending"

// Prober keeps an overview of all tenants: whether their databases answer, and
// how many users they have. It looks when somebody asks and the last look is
// older than 15 seconds, in the background and at 8 databases at once, so that
// dead ones slow nobody down.
//
// Every tenant but the deleted ones is in it, the operators' own included. The
// users of a suspended tenant are not counted, in either placement: its
// database lets nobody in to count them.
type Prober struct {
	maint     *pg.DB
	directory *placement.Directory
	log       *slog.Logger
	now       func() time.Time

	life context.Context
	end  context.CancelFunc
	runs sync.WaitGroup

	control controldb.Queries
	queries tenantdb.Queries

	mu      sync.Mutex
	last    *look // the last that is complete
	current *look // the one under way
	changes int   // of tenants, made by this process
}

// look is one look at all databases.
type look struct {
	began   time.Time
	changes int // that were made before it began
	done    chan struct{}
	err     error // listing the tenants

	tenants []controldb.ListPlacementsRow
	found   map[string]finding
}

// finding is what a look found out about a tenant. An empty fault is none.
type finding struct {
	fault           pg.Fault
	users, signedIn int64
}

// Overview is what is known of all tenants, in the order of their ids.
type Overview struct {
	AsOf    time.Time
	Tenants []State
}

// State is what is known of one tenant.
type State struct {
	ID, Name, Status string
	Fault            pg.Fault // "" when its database answers
	Users, SignedIn  int64
}

// NewProber returns a prober. Maint is the main database as gh_maint. Close it
// when done.
func NewProber(maint *pg.DB, directory *placement.Directory, log *slog.Logger, now func() time.Time) *Prober {
	p := &Prober{maint: maint, directory: directory, log: log, now: now}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// Close breaks off a look that is under way and waits for its end.
func (p *Prober) Close() {
	p.mu.Lock()
	p.end()
	p.mu.Unlock()
	p.runs.Wait()
}

// Expire makes the next answer wait for a new look: a tenant has changed.
func (p *Prober) Expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
}

// Ask returns an overview that is at most 15 seconds old. When that takes more
// than 1.5 seconds, it returns what is known: of databases that were not reached
// yet what the look before found, or that they are pending.
func (p *Prober) Ask(ctx context.Context) (Overview, error) {
	wait, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	for p.await(wait) { // the look that ended may have begun before the last change
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known()
}

// await waits for the end of a look, if one is needed, and reports whether it
// was made before the time was over.
func (p *Prober) await(ctx context.Context) bool {
	p.mu.Lock()
	if p.fresh() {
		p.mu.Unlock()
		return false
	}
	l := p.begin()
	p.mu.Unlock()
	select {
	case <-l.done:
		return l.err == nil
	case <-ctx.Done():
		return false
	}
}

// fresh reports whether the last look need not be repeated. It is called with
// the lock held, as the next three are.
func (p *Prober) fresh() bool {
	return p.last != nil && p.last.changes == p.changes && p.now().Sub(p.last.began) < overviewLifetime
}

// begin returns the look under way, after starting one if there is none.
func (p *Prober) begin() *look {
	if p.current == nil {
		l := &look{began: p.now(), changes: p.changes, done: make(chan struct{}), found: map[string]finding{}}
		p.current = l
		p.runs.Go(func() { p.look(l) })
	}
	return p.current
}

// known puts together what the last look found and what the present one has
// found so far.
func (p *Prober) known() (Overview, error) {
	base := p.last
	if p.current != nil && p.current.tenants != nil {
		base = p.current
	}
	if base == nil {
		return Overview{}, problem.New(problem.Unavailable)
	}
	o := Overview{AsOf: base.began, Tenants: make([]State, 0, len(base.tenants))}
	if p.last != nil {
		o.AsOf = p.last.began
	}
	for _, t := range base.tenants {
		f, ok := base.found[t.ID]
		if !ok {
			f = p.before(t.ID)
		}
		o.Tenants = append(o.Tenants, State{t.ID, t.Name, t.Status, f.fault, f.users, f.signedIn})
	}
	return o, nil
}

// before returns what the last complete look found out about a tenant.
func (p *Prober) before(tenant string) finding {
	if p.last != nil {
		if f, ok := p.last.found[tenant]; ok {
			return f
		}
	}
	return finding{fault: pending}
}

// look looks at all databases.
func (p *Prober) look(l *look) {
	err := p.lookAt(l)
	if err != nil && p.life.Err() == nil {
		p.log.Warn("tenants not listed for their overview", "cause", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.err = err; err == nil {
		p.last = l
	}
	p.current = nil
	close(l.done)
}

func (p *Prober) lookAt(l *look) error {
	ctx, cancel := context.WithTimeout(p.life, countTime)
	defer cancel()
	tenants, err := p.control.ListPlacements(ctx, p.maint.Control())
	if err != nil {
		return err
	}
	p.mu.Lock()
	l.tenants = tenants
	p.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	group.Go(func() error { p.lookAtMain(l, tenants); return nil })
	for _, t := range tenants {
		if t.Placement == dedicated {
			group.Go(func() error { p.lookAtOwn(l, t); return nil })
		}
	}
	_ = group.Wait() // no look fails
	return p.life.Err()
}

// lookAtMain looks at the main database, for all tenants that share it. Their
// users are counted when it is known to answer, which must not wait for that.
func (p *Prober) lookAtMain(l *look, tenants []controldb.ListPlacementsRow) {
	ctx, cancel := context.WithTimeout(p.life, probeTime)
	defer cancel()
	var fault pg.Fault
	if err := p.maint.Check(ctx); err != nil {
		fault = pg.FaultOf(err)
	}
	note := func(counts func(tenant string) (users, signedIn int64)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, t := range tenants {
			if t.Placement == shared {
				users, signedIn := counts(t.ID)
				l.found[t.ID] = finding{fault, users, signedIn}
			}
		}
	}
	note(func(tenant string) (int64, int64) { return p.countsBefore(tenant) })

	ctx, cancel = context.WithTimeout(p.life, countTime)
	defer cancel()
	rows, err := p.queries.CountUsersOfAllTenants(ctx, p.maint.Control())
	if err != nil {
		p.log.Warn("users of the main database not counted", "cause", err)
		return
	}
	byTenant := make(map[string]tenantdb.CountUsersOfAllTenantsRow, len(rows))
	for _, row := range rows {
		byTenant[row.TenantID] = row
	}
	for _, t := range tenants {
		if t.Status == suspended {
			delete(byTenant, t.ID)
		}
	}
	note(func(tenant string) (int64, int64) { return byTenant[tenant].Users, byTenant[tenant].SignedIn })
}

// lookAtOwn looks at a dedicated database, through its serving login.
func (p *Prober) lookAtOwn(l *look, t controldb.ListPlacementsRow) {
	ctx, cancel := context.WithTimeout(p.life, probeTime)
	defer cancel()
	p.mu.Lock()
	users, signedIn := p.countsBefore(t.ID)
	p.mu.Unlock()
	answers := false
	err := p.directory.Probe(ctx, t.ID, t.SealedURL, connectTime, func(ctx context.Context, db *pg.DB) error {
		if err := db.CheckDedicated(ctx); err != nil {
			return err
		}
		answers = true
		if t.Status == suspended {
			users, signedIn = 0, 0
			return nil
		}
		counts, err := p.queries.CountUsers(ctx, db.As(pg.Scope{Tenant: t.ID}), t.ID)
		if err == nil {
			users, signedIn = counts.Users, counts.SignedIn
		}
		return err
	})
	var fault pg.Fault
	// A count that takes too long says nothing against the database.
	if err != nil && !(answers && pg.FaultOf(err) == pg.TimedOut) {
		fault = pg.FaultOf(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.found[t.ID] = finding{fault, users, signedIn}
}

// countsBefore returns the last look's counts, to be shown while there are no
// newer ones. It is called with the lock held.
func (p *Prober) countsBefore(tenant string) (users, signedIn int64) {
	f := p.before(tenant)
	return f.users, f.signedIn
}
