package tenant

import (
	"context"
	"net/url"

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

// update changes what in gives. A new connection string is tried out and
// prepared before it takes the place of the former one; pools that go by the
// former one are let go afterwards.
func (s *Service) update(ctx context.Context, by trail.Origin, id string, match []int64, in Changes, u *url.URL) (controldb.Tenant, error) {
	var t controldb.Tenant
	var state limit.Tenant
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if t, err = s.lock(ctx, tx, id); err != nil {
			return err
		}
		if err := allowed(t, in, u); err != nil {
			return err
		}
		if err := matches(match, t); err != nil {
			return err
		}
		details := map[string]string{}
		set := func(name string, value *string, to *string) {
			if value != nil && *value != *to {
				*to, details[name] = *value, *value
			}
		}
		set("name", in.Name, &t.Name)
		set("plan", in.Plan, &t.Plan)
		set("signup", in.Signup, &t.Signup)
		set("session_mode", in.SessionMode, &t.SessionMode)
		if u != nil {
			if err := s.replace(ctx, tx, id, u); err != nil {
				return err
			}
			details["db_url"] = "replaced"
		}
		t, err = s.control.UpdateTenant(ctx, tx, controldb.UpdateTenantParams{
			ID: id, Name: t.Name, NameKey: field.Fold(t.Name), Plan: t.Plan, Signup: t.Signup, SessionMode: t.SessionMode,
		})
		if err != nil {
			return err
		}
		if state, err = announce.State(ctx, tx, t); err != nil {
			return err
		}
		return record(ctx, tx, by, trail.TenantUpdate, t, details)
	})
	if err != nil {
		return t, err
	}
	if u != nil {
		s.Directory.Forget(id)
	}
	s.Announcer.Tenant(ctx, state)
	s.changed(by, trail.TenantUpdate, id)
	return t, nil
}

// allowed refuses changes that the tenant's state forbids.
func allowed(t controldb.Tenant, in Changes, u *url.URL) error {
	if err := changeable(t); err != nil {
		return err
	}
	if in.Placement != nil && *in.Placement != t.Placement || u != nil && t.Placement == shared {
		return problem.Newf(problem.InvalidState, "The tenant's data lives in a %s database; another placement would have to move it.", t.Placement)
	}
	if t.ID == token.PlatformTenant && in.Signup != nil && *in.Signup != t.Signup {
		return problem.Newf(problem.InvalidState, "The tenant of the operators accepts no sign-ups.")
	}
	return nil
}

// replace stores another connection string of the database that the tenant has.
func (s *Service) replace(ctx context.Context, tx tenantdb.DBTX, id string, u *url.URL) error {
	former, err := s.control.GetPlacement(ctx, tx, id)
	if err != nil {
		return err
	}
	keys := s.Directory.DatabaseKeys(u)
	if err := s.free(ctx, tx, id, keys); err != nil {
		return err
	}
	err = s.control.SetDatabaseKey(ctx, tx, controldb.SetDatabaseKeyParams{TenantID: id, DatabaseKey: keys[0]})
	if pg.Violates(err, "placements_database_unique") {
		return errTaken
	}
	if err != nil {
		return err
	}
	return s.provision(ctx, tx, id, func(ctx context.Context) (placement.Sealed, error) {
		return s.Directory.Reprovision(ctx, id, u, placement.Sealed{OwnerURL: former.SealedOwnerURL, ServingURL: former.SealedURL})
	})
}
