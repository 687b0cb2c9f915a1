package override

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

var errNotFound = problem.Newf(problem.NotFound, "Tenant not found")

func found(err error) error {
	if problem.Is(err, problem.NotFound) {
		return errNotFound
	}
	return err
}

// get returns what is agreed on with a tenant, a deleted one too. The version is
// read first: should the overrides change meanwhile, it is one that If-Match
// refuses.
func (s *Service) get(ctx context.Context, c token.Claims, id string) (a agreed, err error) {
	err = s.Maint.InTx(ctx, pg.Caller(c, false), func(tx tenantdb.DBTX) error {
		if a.tenant, err = s.control.GetTenant(ctx, tx, id); err != nil {
			return found(err)
		}
		a.rows, err = s.control.ListOverrides(ctx, tx, id)
		return err
	})
	return a, err
}

// set replaces all overrides of a tenant. Match are the versions that the tenant
// may have now, nil for any.
func (s *Service) set(ctx context.Context, by trail.Origin, id string, match []int64, rows []controldb.AddOverrideParams) (agreed, error) {
	var a agreed
	var state limit.Tenant
	err := s.Maint.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) (err error) {
		if a.tenant, err = s.control.LockTenant(ctx, tx, id); err != nil {
			return found(err)
		}
		if id == token.PlatformTenant {
			return problem.Newf(problem.InvalidState, "The operators have the limits of their plan: another one could keep them from undoing it.")
		}
		if a.tenant.Status == "deleted" {
			return problem.Newf(problem.InvalidState, "The tenant is deleted.")
		}
		if match != nil && !slices.Contains(match, a.tenant.Version) {
			return problem.New(problem.PreconditionFailed)
		}
		if err := s.replace(ctx, tx, id, rows); err != nil {
			return err
		}
		if a.tenant, err = s.control.TouchTenant(ctx, tx, id); err != nil {
			return err
		}
		if a.rows, err = s.control.ListOverrides(ctx, tx, id); err != nil {
			return err
		}
		if state, err = announce.State(ctx, tx, a.tenant); err != nil {
			return err
		}
		return trail.Record(ctx, tx, token.PlatformTenant, by, trail.Entry{
			Action: trail.LimitsUpdate, Target: id, Details: details(rows),
		})
	})
	if err != nil {
		return agreed{}, err
	}
	s.Announcer.Tenant(ctx, state)
	trail.Security(s.Log, trail.OperatorAction, s.TenantHash(id), by, slog.String("action", string(trail.LimitsUpdate)))
	return a, nil
}

func (s *Service) replace(ctx context.Context, tx tenantdb.DBTX, id string, rows []controldb.AddOverrideParams) error {
	if err := s.control.DeleteOverrides(ctx, tx, id); err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.control.AddOverride(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

// details tell in the audit trail how many overrides there are now, the limits of
// those for all users, and for how many users there are others.
func details(rows []controldb.AddOverrideParams) map[string]string {
	d := map[string]string{"overrides": strconv.Itoa(len(rows))}
	users := map[uuid.UUID]bool{}
	for _, row := range rows {
		name := row.Policy
		if row.Shadow {
			name += "_shadow"
		}
		if row.UserID != nil {
			users[*row.UserID] = true
			continue
		}
		l := limit.Limit{Requests: int(row.Requests), Period: time.Duration(row.PeriodSeconds) * time.Second, Burst: int(row.Burst)}
		d[name] = l.String()
	}
	if len(users) > 0 {
		d["users"] = strconv.Itoa(len(users))
	}
	return d
}
