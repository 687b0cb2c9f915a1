package tenant

import (
	"context"
	"time"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// suspend refuses everybody of the tenant at once and ends all its sessions. A
// tenant that is suspended already stays as it is. The edge is told of the
// tenant, and so refuses its tokens without knowing its sessions.
//
// A dedicated database is told after the control plane is committed, by when
// nobody can sign in any more (see tell). When it cannot be told, the answer is
// unavailable, and whoever is signed in there still is, until a repeat gets
// through.
func (s *Service) suspend(ctx context.Context, by trail.Origin, id string) (controldb.Tenant, error) {
	var t controldb.Tenant
	var state limit.Tenant
	changed := false
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lockToEnd(ctx, tx, id); err != nil {
			return err
		}
		if err := changeable(t); err != nil {
			return err
		}
		if changed = t.Status != suspended; changed {
			if t, err = s.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: id, Status: suspended}); err != nil {
				return err
			}
			if err := record(ctx, tx, by, trail.TenantSuspend, t, nil); err != nil {
				return err
			}
		}
		if state, err = announce.State(ctx, tx, t); err != nil || t.Placement == dedicated {
			return err
		}
		return s.shutOut(ctx, tx, id)
	})
	if err != nil {
		return t, err
	}
	s.Announcer.Tenant(ctx, state)
	if changed {
		s.changed(by, trail.TenantSuspend, id)
	}
	if t.Placement == dedicated {
		err = s.tell(ctx, t, "The tenant is suspended, but its own database could not be told; please repeat.",
			func(_ tenantdb.DBTX, own controldb.Placement) error {
				return s.Directory.AsOwner(ctx, id, own.SealedOwnerURL, func(tx tenantdb.DBTX) error { return s.shutOut(ctx, tx, id) })
			})
	}
	return t, err
}

// shutOut suspends the tenant where its data is.
func (s *Service) shutOut(ctx context.Context, tx tenantdb.DBTX, id string) error {
	if err := s.queries.SuspendResident(ctx, tx, id); err != nil {
		return err
	}
	_, err := s.queries.EndTenantSessions(ctx, tx, tenantdb.EndTenantSessionsParams{TenantID: id, Reason: suspended})
	return err
}

// resume lets the tenant's users sign in again. An active tenant stays as it is,
// but for a dedicated database that takes it for suspended, such as a copy made
// at that time: that is told, and nobody's session ends.
//
// A dedicated database is told before the control plane is changed: until both
// are, the tenant is suspended, and a repeat does it all.
//
// The edge is told of the sessions that ended with the suspension before it lets
// the tenant's tokens pass again.
func (s *Service) resume(ctx context.Context, by trail.Origin, id string) (controldb.Tenant, error) {
	t, err := s.get(ctx, by.Claims, id)
	if err != nil {
		return t, err
	}
	if t.Placement == dedicated {
		release, err := s.turn(ctx)
		if err != nil {
			return t, err
		}
		defer release()
	}
	changed := false
	var ended []tenantdb.ListRevokedSessionsRow
	var state limit.Tenant
	err = s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		if err := changeable(t); err != nil {
			return err
		}
		changed = t.Status == suspended
		switch {
		case t.Placement == dedicated:
			own, err := s.control.GetPlacement(ctx, tx, id)
			if err != nil {
				return err
			}
			err = s.Directory.AsOwner(ctx, id, own.SealedOwnerURL, func(tx tenantdb.DBTX) (err error) {
				ended, err = s.letIn(ctx, tx, t)
				return err
			})
			if err != nil {
				return untold(err, "The tenant's own database could not be told, so the tenant stays "+t.Status+"; please repeat.")
			}
		case changed:
			if ended, err = s.letIn(ctx, tx, t); err != nil {
				return err
			}
		}
		if !changed {
			return nil
		}
		if t, err = s.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: id, Status: active}); err != nil {
			return err
		}
		if state, err = announce.State(ctx, tx, t); err != nil {
			return err
		}
		return record(ctx, tx, by, trail.TenantResume, t, nil)
	})
	if err == nil && changed {
		s.Announcer.Resumed(ctx, state, ended)
		s.changed(by, trail.TenantResume, id)
		time.Sleep(settle)
	}
	return t, err
}

// settle is how long the answer to a resumption waits for the gateways to have
// heard of it, which they do within milliseconds: who signs in at the word of the
// operator is not to meet one that still refuses the tenant.
const settle = 100 * time.Millisecond

// letIn ends the suspension where the tenant's data is. A sign-in that was under
// way when it began may have left a session, which is not to come alive now;
// those of a tenant that is active already are its users' present ones. It
// returns the sessions that the edge has to know of.
func (s *Service) letIn(ctx context.Context, tx tenantdb.DBTX, t controldb.Tenant) (ended []tenantdb.ListRevokedSessionsRow, err error) {
	if t.Status == suspended {
		if _, err := s.queries.EndTenantSessions(ctx, tx, tenantdb.EndTenantSessionsParams{TenantID: t.ID, Reason: suspended}); err != nil {
			return nil, err
		}
		if ended, err = announce.Revoked(ctx, tx, t.ID); err != nil {
			return nil, err
		}
	}
	return ended, s.queries.ResumeResident(ctx, tx, t.ID)
}

// delete takes the tenant out of service for good and ends all its sessions. The
// data stays.
//
// A dedicated database is told after the control plane is committed, as for
// suspend, and loses the login that served the tenant. Until it has been told,
// the control plane keeps the serving connection string; that is how a repeat
// knows that something is left to do, where it would otherwise find a deleted
// tenant. The owner's connection string stays for good: the tenant's audit trail
// is read through it.
func (s *Service) delete(ctx context.Context, by trail.Origin, id string, match []int64) error {
	var t controldb.Tenant
	var state limit.Tenant
	changed := false
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lockToEnd(ctx, tx, id); err != nil {
			return err
		}
		var own controldb.Placement
		if t.Placement == dedicated {
			if own, err = s.control.GetPlacement(ctx, tx, id); err != nil {
				return err
			}
		}
		if changed = t.Status != deleted; !changed && len(own.SealedURL) > 0 {
			return nil
		}
		if err := changeable(t); err != nil {
			return err
		}
		if err := matches(match, t); err != nil {
			return err
		}
		if t, err = s.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: id, Status: deleted}); err != nil {
			return err
		}
		if err := s.control.DeleteOverrides(ctx, tx, id); err != nil {
			return err
		}
		if state, err = announce.State(ctx, tx, t); err != nil {
			return err
		}
		if err := record(ctx, tx, by, trail.TenantDelete, t, nil); err != nil {
			return err
		}
		if t.Placement == dedicated {
			return nil
		}
		return s.expel(ctx, tx, id)
	})
	if err != nil {
		return err
	}
	if changed {
		s.Announcer.Tenant(ctx, state)
		s.changed(by, trail.TenantDelete, id)
	}
	if t.Placement == shared {
		return nil
	}
	s.Directory.Forget(id)
	return s.tell(ctx, t, "The tenant is deleted, but its own database could not be told; please repeat.",
		func(tx tenantdb.DBTX, own controldb.Placement) error {
			sealed := placement.Sealed{OwnerURL: own.SealedOwnerURL, ServingURL: own.SealedURL}
			err := s.Directory.Leave(ctx, id, sealed, func(tx tenantdb.DBTX) error { return s.expel(ctx, tx, id) })
			if err != nil {
				return err
			}
			return s.control.ClosePlacement(ctx, tx, id)
		})
}

// expel removes the tenant from where its data is, and leaves the data.
func (s *Service) expel(ctx context.Context, tx tenantdb.DBTX, id string) error {
	if err := s.queries.ExpelTenant(ctx, tx, id); err != nil {
		return err
	}
	_, err := s.queries.EndTenantSessions(ctx, tx, tenantdb.EndTenantSessionsParams{TenantID: id, Reason: deleted})
	return err
}

// lockToEnd locks a tenant that is to be suspended or deleted, which the
// operators' own cannot be.
func (s *Service) lockToEnd(ctx context.Context, tx tenantdb.DBTX, id string) (controldb.Tenant, error) {
	t, err := s.lock(ctx, tx, id)
	if err == nil && id == token.PlatformTenant {
		err = problem.Newf(problem.InvalidState, "The tenant of the operators can be neither suspended nor deleted.")
	}
	return t, err
}

// tell has fn pass a change of a dedicated tenant's status, which is committed,
// on to its database; a failure is answered with the sentence. The tenant is
// locked until that is done, so that its database is told of changes in their
// order, and nothing is done when its status has changed again.
func (s *Service) tell(ctx context.Context, t controldb.Tenant, sentence string, fn func(tx tenantdb.DBTX, own controldb.Placement) error) error {
	release, err := s.turn(ctx)
	if err != nil {
		return untold(err, sentence)
	}
	defer release()
	// The caller's session was checked when the status changed; should it have
	// ended since, the rest is to be done nevertheless.
	err = s.Maint.InTx(ctx, pg.Scope{Tenant: token.PlatformTenant, Write: true}, func(tx tenantdb.DBTX) error {
		now, err := s.lock(ctx, tx, t.ID)
		if err != nil || now.Status != t.Status {
			return err
		}
		own, err := s.control.GetPlacement(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		return fn(tx, own)
	})
	return untold(err, sentence)
}

// untold makes a failure to reach a dedicated database unavailable, with a
// sentence about what has been done and what has not.
func untold(err error, sentence string) error {
	if err == nil {
		return nil
	}
	p := problem.Wrap(problem.Unavailable, err)
	p.Detail = sentence
	return p
}
