// Package placement knows which tenants there are and in which database each
// one lives. What it says only routes: app.enter asks the database itself.
package placement

import (
	"context"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/internal/problem"
)

// Tenant is what the control plane holds of a tenant that can be used.
type Tenant struct {
	ID string
	// OpenSignup lets anyone become a member.
	OpenSignup bool
	// SingleSession ends a user's older sessions at each login.
	SingleSession bool
}

// Directory finds tenants and their databases.
type Directory struct {
	shared  *pg.DB
	queries *controldb.Queries
}

// New returns a directory whose tenants all live in the shared database.
func New(shared *pg.DB) *Directory {
	return &Directory{shared: shared, queries: controldb.New()}
}

// Find returns an active tenant. Suspended and deleted ones are not found,
// like those that never were.
func (d *Directory) Find(ctx context.Context, id string) (Tenant, error) {
	row, err := d.queries.GetTenant(ctx, d.shared.Control(), id)
	if err != nil {
		return Tenant{}, err
	}
	switch row.Status {
	case "active":
	case "moving":
		return Tenant{}, problem.New(problem.TenantMoving)
	default:
		return Tenant{}, problem.New(problem.NotFound)
	}
	return Tenant{
		ID:            row.ID,
		OpenSignup:    row.Signup == "open",
		SingleSession: row.SessionMode == "single",
	}, nil
}

// DB returns the database that a tenant's data is in.
func (d *Directory) DB(string) *pg.DB { return d.shared }
