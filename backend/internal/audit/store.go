package audit

import (
	"context"

	"gatehouse/backend/internal/tenantdb"
)

// list reads a page of one tenant's trail.
func (s *Service) list(ctx context.Context, db tenantdb.DBTX, tenant string, p Page) ([]tenantdb.AuditEntry, error) {
	q := tenantdb.ListAuditParams{
		TenantID: tenant, AfterCreatedAt: p.Position.Created, AfterID: p.Position.ID,
		CreatedGte: p.From, CreatedLt: p.Before, Action: p.Action, ActorID: p.ActorID, RowLimit: p.Limit,
	}
	if p.Desc {
		return s.queries.ListAuditDesc(ctx, db, tenantdb.ListAuditDescParams(q))
	}
	return s.queries.ListAudit(ctx, db, q)
}

// listAll reads a page over all trails of a database, as a role that sees them.
func (s *Service) listAll(ctx context.Context, db tenantdb.DBTX, p Page) ([]tenantdb.AuditEntry, error) {
	q := tenantdb.ListAuditOfAllTenantsParams{
		AfterCreatedAt: p.Position.Created, AfterID: p.Position.ID,
		CreatedGte: p.From, CreatedLt: p.Before, Action: p.Action, ActorID: p.ActorID, RowLimit: p.Limit,
	}
	if p.Desc {
		return s.queries.ListAuditOfAllTenantsDesc(ctx, db, tenantdb.ListAuditOfAllTenantsDescParams(q))
	}
	return s.queries.ListAuditOfAllTenants(ctx, db, q)
}
