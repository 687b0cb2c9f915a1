package tenant

import (
	"context"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// suspend refuses everybody of the tenant at once and ends all its sessions. A
// tenant that is suspended already stays as it is.
//
// A dedicated database is told after the control plane is committed, by when
// nobody can sign in any more. When it cannot be told, the answer is
// unavailable, and whoever is signed in there still is, until a repeat gets
// through.
func (s *Service) suspend(ctx context.Context, by trail.Origin, id string) (controldb.Tenant, error) {
	var t controldb.Tenant
	var own controldb.Placement
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
		if t.Placement == dedicated {
			own, err = s.control.GetPlacement(ctx, tx, id)
			return err
		}
		return s.shutOut(ctx, tx, id)
	})
	if err != nil {
		return t, err
	}
	if changed {
		s.changed(by, trail.TenantSuspend, id)
	}
	if t.Placement == dedicated {
		err = s.asOwner(ctx, own, func(tx tenantdb.DBTX) error { return s.shutOut(ctx, tx, id) },
			"The tenant is suspended, but its own database could not be told; please repeat.")
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

// resume lets the tenant's users sign in again. An active tenant stays as it is.
//
// A dedicated database is told before the control plane is changed: until both
// are, the tenant is suspended, and a repeat does it all.
func (s *Service) resume(ctx context.Context, by trail.Origin, id string) (controldb.Tenant, error) {
	var t controldb.Tenant
	changed := false
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		if err := changeable(t); err != nil {
			return err
		}
		if changed = t.Status == suspended; !changed {
			return nil
		}
		if t.Placement == dedicated {
			own, err := s.control.GetPlacement(ctx, tx, id)
			if err != nil {
				return err
			}
			err = s.asOwner(ctx, own, func(tx tenantdb.DBTX) error { return s.letIn(ctx, tx, id) },
				"The tenant's own database could not be told, so the tenant stays suspended; please repeat.")
			if err != nil {
				return err
			}
		} else if err := s.letIn(ctx, tx, id); err != nil {
			return err
		}
		if t, err = s.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: id, Status: active}); err != nil {
			return err
		}
		return record(ctx, tx, by, trail.TenantResume, t, nil)
	})
	if err == nil && changed {
		s.changed(by, trail.TenantResume, id)
	}
	return t, err
}

// letIn ends the suspension where the tenant's data is. A sign-in that was under
// way when it began may have left a session, which is not to come alive now.
func (s *Service) letIn(ctx context.Context, tx tenantdb.DBTX, id string) error {
	if _, err := s.queries.EndTenantSessions(ctx, tx, tenantdb.EndTenantSessionsParams{TenantID: id, Reason: suspended}); err != nil {
		return err
	}
	return s.queries.ResumeResident(ctx, tx, id)
}

// delete takes the tenant out of service for good and ends all its sessions. The
// data stays.
//
// A dedicated database is told after the control plane is committed, as for
// suspend. Until it has been, the control plane keeps the serving connection
// string; that is how a repeat knows that something is left to do, where it
// would otherwise find a deleted tenant.
func (s *Service) delete(ctx context.Context, by trail.Origin, id string, match []int64) error {
	var t controldb.Tenant
	var own controldb.Placement
	changed := false
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lockToEnd(ctx, tx, id); err != nil {
			return err
		}
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
		s.changed(by, trail.TenantDelete, id)
	}
	if t.Placement == shared {
		return nil
	}
	s.Directory.Forget(id)
	err = s.asOwner(ctx, own, func(tx tenantdb.DBTX) error { return s.expel(ctx, tx, id) },
		"The tenant is deleted, but its own database could not be told; please repeat.")
	if err != nil {
		return err
	}
	return s.control.ClosePlacement(ctx, s.Maint.Control(), id)
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

// asOwner runs fn in a dedicated database; a failure is unavailable, with a
// sentence about what has been done and what has not.
func (s *Service) asOwner(ctx context.Context, own controldb.Placement, fn func(tx tenantdb.DBTX) error, sentence string) error {
	err := s.Directory.AsOwner(ctx, own.TenantID, own.SealedOwnerURL, fn)
	if err == nil {
		return nil
	}
	p := problem.Wrap(problem.Unavailable, err)
	p.Detail = sentence
	return p
}
