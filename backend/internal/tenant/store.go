package tenant

import (
	"context"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// get returns a tenant, deleted ones too.
func (s *Service) get(ctx context.Context, c token.Claims, id string) (controldb.Tenant, error) {
	t, err := s.control.GetTenant(ctx, s.Maint.As(pg.Caller(c, false)), id)
	return t, found(err)
}

// lock returns a tenant and keeps it as it is until the transaction ends.
func (s *Service) lock(ctx context.Context, tx tenantdb.DBTX, id string) (controldb.Tenant, error) {
	t, err := s.control.LockTenant(ctx, tx, id)
	return t, found(err)
}

func found(err error) error {
	if problem.Is(err, problem.NotFound) {
		return errNotFound
	}
	return err
}

// Filter narrows a list; nil does not filter.
type Filter struct {
	Pattern, Status, Plan, Placement *string // the pattern of the folded name
	CreatedGte, CreatedLt            *time.Time
}

// list returns up to limit tenants after a position. Each order has a query of
// its own, so that it can use its index.
func (s *Service) list(ctx context.Context, c token.Claims, sort string, desc bool, after position, f Filter, limit int32) ([]controldb.Tenant, error) {
	db := s.Maint.As(pg.Caller(c, false))
	created := controldb.ListTenantsByCreatedParams{
		AfterCreatedAt: after.Created, AfterID: after.ID, Pattern: f.Pattern, Status: f.Status, Plan: f.Plan,
		Placement: f.Placement, CreatedGte: f.CreatedGte, CreatedLt: f.CreatedLt, RowLimit: limit,
	}
	name := controldb.ListTenantsByNameParams{
		AfterNameKey: after.Name, AfterID: after.ID, Pattern: f.Pattern, Status: f.Status, Plan: f.Plan,
		Placement: f.Placement, CreatedGte: f.CreatedGte, CreatedLt: f.CreatedLt, RowLimit: limit,
	}
	switch {
	case sort == byName && desc:
		return s.control.ListTenantsByNameDesc(ctx, db, controldb.ListTenantsByNameDescParams(name))
	case sort == byName:
		return s.control.ListTenantsByName(ctx, db, name)
	case desc:
		return s.control.ListTenantsByCreatedDesc(ctx, db, controldb.ListTenantsByCreatedDescParams(created))
	default:
		return s.control.ListTenantsByCreated(ctx, db, created)
	}
}

// checkSession refuses a caller whose session has ended, where nothing else
// asks the database.
func (s *Service) checkSession(ctx context.Context, c token.Claims) error {
	_, err := s.queries.DatabaseID(ctx, s.Maint.As(pg.Caller(c, false)))
	return err
}
