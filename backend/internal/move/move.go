// Package move takes a tenant from the main database to one of its own, or back,
// while it is used.
//
// What is to be done next is in control.tenant_moves, so that whoever is stopped at
// any point goes on from there or undoes it:
//
//	prepare  the database is made ready, and triggers log the tenant's changes
//	copy     its rows are copied as one moment saw them, and compared
//	follow   the log is carried out on the copy until little is left; then writes
//	         are paused, the rest is carried out and compared, nobody is let in to
//	         where the tenant was, and the control plane names its new database
//	clean    what is left where it was is deleted
//
// The new database lets nobody in before the former one has stopped doing so, and
// the former one stops only if the log is empty while no writer is at work. So
// nothing is lost, whatever stops when, and no backend that goes by the former
// placement shows or changes anything. Until clean, a move can be undone.
package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Placements of a tenant.
const (
	Shared    = "shared"
	Dedicated = "dedicated"
)

// Steps of a move, as control.tenant_moves knows them.
const (
	prepare = "prepare"
	follow  = "follow"
	copying = "copy"
	clean   = "clean"
)

// States of a tenant that a move knows.
const (
	active = "active"
	moving = "moving"
)

// Mover moves tenants.
type Mover struct {
	// Main reaches the main database as gh_owner.
	Main config.Secret
	// Directory opens and seals connection strings.
	Directory *placement.Directory
	Log       *slog.Logger

	// at, in tests, is called at every point where a process may stop.
	at func(point string)
}

// Moved is what a move came to.
type Moved struct {
	// Already says that the tenant was there: a run that was stopped may have been at
	// its end.
	Already bool
	// Rows are those that were copied, and Changes what was carried out on the copy
	// afterwards, by this run.
	Rows, Changes int64
	// Paused is how long writes were refused.
	Paused time.Duration
	// Left says what an undone move has left in a database that did not answer.
	Left error
}

// What can be wrong with a move.
var (
	// ErrNone says that there is no move that could be undone.
	ErrNone = errors.New("the tenant is not being moved")
	// ErrArrived says that a move has been made and cannot be undone any more.
	ErrArrived = errors.New("the tenant is in its new database already; run the move again to finish it, and then move it back")
)

// run is one process's work on a move.
type run struct {
	*Mover
	tenant string
	move   controldb.Move
	moved  Moved

	// main is the main database and own the dedicated one; source is where the
	// tenant comes from and target where it goes.
	main, own, source, target *pg.Owner

	control controldb.Queries
	queries tenantdb.Queries
	tables  []string // those that others point at first
}

// Move moves a tenant to a placement, or goes on with that. Ask returns the
// connection string of a dedicated database, when it is needed. Only one process
// moves a tenant; others fail with [pg.ErrBusy].
func (m *Mover) Move(ctx context.Context, tenant, to string, ask func() (*url.URL, error)) (Moved, error) {
	r, err := m.open(ctx, tenant)
	if err != nil {
		return Moved{}, err
	}
	defer r.close()
	if err := r.begin(ctx, to, ask); err != nil || r.moved.Already {
		return r.moved, err
	}
	steps := map[string]func(context.Context) error{prepare: r.prepare, copying: r.copy, follow: r.follow, clean: r.clean}
	for r.move.Step != "" {
		step := r.move.Step
		r.Log.Info("moving a tenant", "to", to, "step", step)
		if err := steps[step](ctx); err != nil {
			return r.moved, fmt.Errorf("%s: %w", step, err)
		}
	}
	return r.moved, nil
}

// Undo lets the tenant stay where it is and deletes what was copied. When the
// database where it was to go does not answer, the copy is left there.
func (m *Mover) Undo(ctx context.Context, tenant string) (Moved, error) {
	r, err := m.open(ctx, tenant)
	if err != nil {
		return Moved{}, err
	}
	defer r.close()
	err = r.main.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
		r.move, err = r.control.GetMove(ctx, tx, tenant)
		return err
	})
	switch {
	case problem.Is(err, problem.NotFound):
		return Moved{}, ErrNone
	case err != nil:
		return Moved{}, err
	case r.move.Step == clean:
		return Moved{}, ErrArrived
	}
	return r.moved, r.undo(ctx)
}

func (m *Mover) open(ctx context.Context, tenant string) (*run, error) {
	main, err := pg.OpenOwner(ctx, m.Main, work(tenant))
	if err != nil {
		return nil, err
	}
	r := &run{Mover: m, tenant: tenant, main: main}
	err = main.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
		r.tables, err = r.queries.ListTenantTables(ctx, tx)
		return err
	})
	if err != nil {
		main.Close()
		return nil, err
	}
	return r, nil
}

// work is the name under which a tenant is moved by one process at a time, on each
// of its databases: whoever has lost its connection to one must not go on there.
func work(tenant string) string { return "move:" + tenant }

func (r *run) close() {
	r.main.Close()
	if r.own != nil {
		r.own.Close()
	}
}

// stop is a point where a process may stop.
func (r *run) stop(point string) {
	if r.at != nil {
		r.at(point)
	}
}

// setStep notes what is to be done next, in a transaction of the main database.
func (r *run) setStep(ctx context.Context, tx tenantdb.DBTX, step string) error {
	return r.control.SetMoveStep(ctx, tx, controldb.SetMoveStepParams{Step: step, TenantID: r.tenant})
}

// next notes what is to be done next and goes on with it.
func (r *run) next(ctx context.Context, step string) error {
	err := r.main.InTx(ctx, func(tx tenantdb.DBTX) error { return r.setStep(ctx, tx, step) })
	if err == nil {
		r.move.Step = step
	}
	return err
}

// record adds the move to the operators' trail.
func (r *run) record(ctx context.Context, tx tenantdb.DBTX, outcome string) error {
	return trail.Record(ctx, tx, token.PlatformTenant, trail.Origin{}, trail.Entry{
		Action: trail.TenantMove, Target: r.tenant, Details: map[string]string{"placement": r.move.Target, "outcome": outcome},
	})
}
