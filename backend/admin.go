package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// What `backend seed` makes, besides the demo user's password.
const (
	demoTenant = "tenant1"
	demoUser   = "demo"
	demoEmail  = "demo@example.com"
)

// connectWait bounds how long a command waits for the database.
const connectWait = 5 * time.Second

// OperatorUsername is the name of the operator that Migrate makes.
const OperatorUsername = "operator"

// Bootstrap makes the database roles and the database.
func Bootstrap(ctx context.Context, c AdminConfig) error {
	return pg.Bootstrap(ctx, c.BootstrapURL, c.MigrateURL, c.URL, c.MaintURL)
}

// MigrateOptions say what Migrate leaves out.
type MigrateOptions struct {
	// DryRun changes nothing, and MainOnly leaves the tenants' databases alone.
	DryRun, MainOnly bool
}

// Migrate brings all databases up to date and makes the first operator, if one
// is configured and there is none yet. It reports on each database; the error
// says how many failed. One of a tenant that fails does not keep the rest from
// being done.
func Migrate(ctx context.Context, c AdminConfig, o MigrateOptions, log *slog.Logger) ([]placement.Migrated, error) {
	all, err := placement.Migrator{
		Owner: c.MigrateURL, Key: c.TenantKey, Local: c.TenantNetworks, Timeout: c.MigrateTimeout, MainOnly: o.MainOnly, DryRun: o.DryRun,
		TenantHash: c.Logging.TenantHash, Log: log,
	}.Run(ctx)
	if err != nil {
		return all, err
	}
	if err := all[0].Err; err != nil {
		return all, fmt.Errorf("the main database failed: %w", err)
	}
	failed := 0
	for _, m := range all {
		if m.Err != nil {
			failed++
		}
	}
	if failed > 0 {
		err = fmt.Errorf("%d of %d databases failed", failed, len(all))
	}
	if c.OperatorEmail == "" || o.DryRun {
		return all, err
	}
	return all, errors.Join(err, asOwner(c, func(db *pg.DB) error {
		var queries tenantdb.Queries
		exists, err := queries.HasOperator(ctx, db.As(pg.Scope{Tenant: token.PlatformTenant}))
		if err != nil || exists {
			return err
		}
		return createOperator(ctx, db, c, OperatorUsername, c.OperatorEmail, c.OperatorPassword.Reveal())
	}))
}

// Reseal seals the connection strings of all dedicated databases under the
// first key of TENANT_DB_KEY and reports on each tenant; the error says how
// many failed. Once none does, the other keys are not needed for them.
func Reseal(ctx context.Context, c AdminConfig, log *slog.Logger) ([]placement.Resealed, error) {
	all, err := placement.Resealer{
		Owner: c.MigrateURL, Keys: c.TenantKey, TenantHash: c.Logging.TenantHash, Log: log,
	}.Run(ctx)
	failed := 0
	for _, r := range all {
		if r.Err != nil {
			failed++
		}
	}
	if failed > 0 {
		err = fmt.Errorf("%d of %d tenants failed", failed, len(all))
	}
	return all, err
}

// CreateOperator makes another operator.
func CreateOperator(ctx context.Context, c AdminConfig, username, email, password string) error {
	return asOwner(c, func(db *pg.DB) error { return createOperator(ctx, db, c, username, email, password) })
}

func createOperator(ctx context.Context, db *pg.DB, c AdminConfig, username, email, pw string) error {
	hasher, err := password.New(c.Password)
	if err != nil {
		return err
	}
	return createUser(ctx, db, hasher, account.New{
		Tenant: token.PlatformTenant, Username: username, Email: email, Password: pw, Role: token.Operator,
	})
}

// Seed makes the demo tenant with open sign-up and its demo user. What is there
// already is left as it is.
func Seed(ctx context.Context, c AdminConfig) error {
	return asOwner(c, func(db *pg.DB) error {
		var control controldb.Queries
		if _, err := control.CreateTenant(ctx, db.Control(), controldb.CreateTenantParams{
			ID: demoTenant, Name: "Demo tenant", NameKey: field.Fold("Demo tenant"), Signup: "open",
		}); err != nil {
			return err
		}
		demo, err := control.GetTenant(ctx, db.Control(), demoTenant)
		if err != nil || demo.Status != "active" { // an operator has closed it since
			return err
		}
		var tenant tenantdb.Queries
		if err := tenant.AdmitTenant(ctx, db.Control(), demoTenant); err != nil {
			return err
		}
		_, err = tenant.GetUserByUsername(ctx, db.As(pg.Scope{Tenant: demoTenant}),
			tenantdb.GetUserByUsernameParams{TenantID: demoTenant, UsernameKey: demoUser})
		if !problem.Is(err, problem.NotFound) {
			return err
		}
		hasher, err := password.New(c.Password)
		if err != nil {
			return err
		}
		return createUser(ctx, db, hasher, account.New{
			Tenant: demoTenant, Username: demoUser, Email: demoEmail, Password: c.SeedDemoPassword.Reveal(), Role: token.Admin,
		})
	})
}

// createUser makes a user on behalf of whoever runs the command.
func createUser(ctx context.Context, db *pg.DB, hasher *password.Hasher, u account.New) error {
	var c field.Checker
	u.Check(&c)
	if err := c.Err(); err != nil {
		return err
	}
	hash, err := hasher.Hash(ctx, u.Password)
	if err != nil {
		return err
	}
	return db.InTx(ctx, pg.Scope{Tenant: u.Tenant, Write: true}, func(tx tenantdb.DBTX) error {
		user, err := account.Insert(ctx, tx, u, hash)
		if err != nil {
			return err
		}
		return trail.Record(ctx, tx, u.Tenant, trail.Origin{}, trail.Entry{
			Action: trail.UserCreate, Target: user.ID.String(), Details: map[string]string{"by": "command", "role": string(u.Role)},
		})
	})
}

// asOwner runs fn with a connection of the role that owns the tables.
func asOwner(c AdminConfig, fn func(*pg.DB) error) error {
	db, err := pg.Open(pg.Config{URL: c.MigrateURL, MaxConns: 1, PoolWait: connectWait})
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(db)
}
