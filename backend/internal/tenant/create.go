package tenant

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

const (
	// provisionTime bounds the preparation of a dedicated database.
	provisionTime = 20 * time.Second
	// retireTime bounds undoing it.
	retireTime = 10 * time.Second
)

// creation is one attempt to make a tenant.
type creation struct {
	*Service
	by  trail.Origin
	in  Creation
	url *url.URL // of a dedicated tenant

	worked, provisioned bool
	made                limit.Tenant
}

// work makes the tenant in the transaction that it is given, and so that
// another attempt at the same can be made whenever this one breaks off: the
// control plane's rows are only there once everything else is, and what is in a
// dedicated database then belongs to the tenant of this id or is taken over.
func (c *creation) work(ctx context.Context, tx tenantdb.DBTX) (controldb.Tenant, error) {
	if err := c.control.TenantLock(ctx, tx, c.in.ID); err != nil { // see exists
		return controldb.Tenant{}, err
	}
	t, err := c.control.AddTenant(ctx, tx, controldb.AddTenantParams{
		ID: c.in.ID, Name: c.in.Name, NameKey: field.Fold(c.in.Name), Placement: *c.in.Placement,
		Plan: *c.in.Plan, Signup: *c.in.Signup, SessionMode: *c.in.SessionMode,
	})
	if pg.Violates(err, "tenants_pkey") || pg.Violates(err, "tenants_id_key_key") {
		return t, problem.Newf(problem.Conflict, "There is a tenant '%s' already.", c.in.ID)
	}
	if err != nil {
		return t, err
	}
	if c.url == nil {
		err = c.queries.AdmitTenant(ctx, tx, t.ID)
	} else {
		err = c.place(ctx, tx, t.ID)
	}
	if err != nil {
		return t, err
	}
	if c.made, err = announce.State(ctx, tx, t); err != nil {
		return t, err
	}
	c.worked = true
	return t, record(ctx, tx, c.by, trail.TenantCreate, t, map[string]string{
		"name": t.Name, "placement": t.Placement, "plan": t.Plan, "signup": t.Signup, "session_mode": t.SessionMode,
	})
}

// place takes the database for the tenant, so that nobody else does, and then
// makes it ready.
func (c *creation) place(ctx context.Context, tx tenantdb.DBTX, id string) error {
	keys := c.Directory.DatabaseKeys(c.url)
	if err := c.free(ctx, tx, id, keys); err != nil {
		return err
	}
	err := c.control.AddPlacement(ctx, tx, controldb.AddPlacementParams{TenantID: id, DatabaseKey: keys[0]})
	if pg.Violates(err, "placements_database_unique") {
		return errTaken
	}
	if err != nil {
		return err
	}
	return c.provision(ctx, tx, id, func(ctx context.Context) (placement.Sealed, error) {
		sealed, err := c.Directory.Provision(ctx, id, c.url, func(ctx context.Context, other string) (bool, error) {
			return c.exists(ctx, tx, other)
		})
		c.provisioned = c.provisioned || err == nil
		return sealed, err
	})
}

// free refuses a database that another tenant has, under whichever key.
func (s *Service) free(ctx context.Context, tx tenantdb.DBTX, id string, keys [][]byte) error {
	taken, err := s.control.DatabaseTaken(ctx, tx, controldb.DatabaseTakenParams{TenantID: id, DatabaseKeys: keys})
	if err == nil && taken {
		err = errTaken
	}
	return err
}

// exists reports whether there is a tenant, or one is being made.
func (s *Service) exists(ctx context.Context, tx tenantdb.DBTX, id string) (bool, error) {
	if free, err := s.control.TryTenantLock(ctx, tx, id); err != nil || !free {
		return true, err
	}
	_, err := s.control.GetTenant(ctx, tx, id)
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return true, err
}

// turn waits until another dedicated database may be worked on, for a third of
// the request's time at most.
func (s *Service) turn(ctx context.Context) (release func(), err error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/3)
		defer cancel()
	}
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return nil, problem.Wrap(problem.Overloaded, err)
	}
	return func() { s.turns.Release(1) }, nil
}

// provision has a database made ready and stores how to reach it.
func (s *Service) provision(ctx context.Context, tx tenantdb.DBTX, id string, prepare func(context.Context) (placement.Sealed, error)) error {
	// Some of the request's time is left for the rest of the transaction.
	limit := provisionTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*2/3)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sealed, err := prepare(bounded)
	if err != nil {
		s.Log.Warn("dedicated database refused", "tenant", s.TenantHash(id), "cause", err)
		return databaseProblem(err)
	}
	return s.control.SetPlacement(ctx, tx, controldb.SetPlacementParams{
		TenantID: id, SealedOwnerURL: sealed.OwnerURL, SealedURL: sealed.ServingURL,
	})
}

// done finishes an attempt whose transaction has ended, with err.
func (c *creation) done(ctx context.Context, err error) {
	switch {
	case err != nil && c.provisioned:
		c.retire()
	case err == nil && c.worked:
		c.Announcer.Tenant(ctx, c.made)
		c.changed(c.by, trail.TenantCreate, c.in.ID)
	}
}

// retire takes the tenant that did not come about out of the database that was
// made ready for it. When it cannot be told whether it did, everything stays.
// Another attempt at the same tenant may be under way, even with the same
// database; it either has come about or begins after this.
func (c *creation) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), retireTime)
	defer cancel()
	err := c.Maint.InTx(ctx, pg.Scope{Tenant: token.PlatformTenant, Write: true}, func(tx tenantdb.DBTX) error {
		if err := c.control.TenantLock(ctx, tx, c.in.ID); err != nil {
			return err
		}
		_, err := c.control.GetTenant(ctx, tx, c.in.ID)
		if problem.Is(err, problem.NotFound) {
			err = c.Directory.Retire(ctx, c.in.ID, c.url)
		}
		return err
	})
	if err != nil {
		c.Log.Warn("dedicated database not tidied up", "tenant", c.TenantHash(c.in.ID), "cause", err)
	}
}

// changed tells the log, and the probes, of a change that is committed.
func (s *Service) changed(by trail.Origin, action trail.Action, id string) {
	trail.Security(s.Log, trail.OperatorAction, s.TenantHash(id), by, slog.String("action", string(action)))
	s.Prober.Expire()
}

// record writes an entry to the operators' trail.
func record(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, action trail.Action, t controldb.Tenant, details map[string]string) error {
	return trail.Record(ctx, tx, token.PlatformTenant, by, trail.Entry{Action: action, Target: t.ID, Details: details})
}
