package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// What can be wrong with a database that is to be a tenant's own.
var (
	// ErrUnreachable says that no connection could be made, or none that lasted.
	ErrUnreachable = errors.New("the database cannot be reached")
	// ErrUnsuitable says that the server or the connection's role cannot do what
	// is needed.
	ErrUnsuitable = errors.New("the database is not suitable")
	// ErrUsed says that the database holds the control plane or other tenants.
	ErrUsed = errors.New("the database is used already")
	// ErrMainServer says that gh_owner can sign in to the server, as it can to that
	// of the main database.
	ErrMainServer = errors.New("the database is on the main server (TENANT_DB_ON_MAIN_SERVER)")
	// ErrOther says that the database is not the one that was expected.
	ErrOther = errors.New("the database is another one")
)

// minServer is the oldest version of PostgreSQL that the migrations work on.
const minServer = 150000

// Provision makes the database ready for its tenant: the roles that the
// migrations know, without a login, where the server lacks them; a login of
// its own for serving, which belongs to gh_app and is under row-level
// security; the tenant plane; and the tenant as its only resident. It can be
// repeated. It returns the database's identity, which copies share.
//
// The error is one of those above, and tells nothing of the connection string.
// It is not safe against whoever owns the server: that may do as it likes with
// what is in it.
func Provision(ctx context.Context, d Dedicated, log *slog.Logger) (id uuid.UUID, err error) {
	conn, err := dial(ctx, d.Reach, d.OwnerURL)
	if err != nil {
		return uuid.Nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer hangUp(conn)
	p := &provisioner{Dedicated: d, conn: conn, log: log}
	defer func() {
		if err != nil && p.created { // of no use to anybody; harmless if it stays
			_, _ = conn.Exec(ctx, "drop role if exists "+p.login())
		}
	}()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"wait for others", p.lock},
		{"look at the database", p.inspect},
		{"make the roles", p.makeRoles},
		{"look at the residents", p.checkResidents},
		{"make the login", p.makeLogin},
		{"migrate", p.migrate},
		{"admit the tenant", p.admit},
	} {
		if err := step.run(ctx); err != nil {
			return uuid.Nil, fmt.Errorf("%s: %w", step.name, provisionError(err))
		}
	}
	return p.id, nil
}

// provisionError sorts what went wrong into what an operator can act on. What
// the server refused is known by its SQLSTATE only: messages name roles and
// databases.
func provisionError(err error) error {
	for _, known := range []error{ErrUnsuitable, ErrUsed, ErrMainServer, ErrOther} {
		if errors.Is(err, known) {
			return known
		}
	}
	var ours *problem.Error // of the control plane, which Abandoned asks
	var e *pgconn.PgError
	switch fault := FaultOf(err); {
	case errors.As(err, &ours):
		return err
	case fault == Unreachable, fault == TimedOut:
		return fmt.Errorf("%w: %w", ErrUnreachable, fault)
	case errors.As(err, &e):
		return fmt.Errorf("%w (SQLSTATE %s)", ErrUnsuitable, e.Code)
	}
	return ErrUnsuitable
}

// provisioner is one run of [Provision].
type provisioner struct {
	Dedicated
	conn *pgx.Conn
	log  *slog.Logger

	version  int  // of the server, such as 150018
	migrated bool // has been a tenant's before, at least in part
	created  bool // the login, by this run
	id       uuid.UUID
}

func (p *provisioner) login() string { return pgx.Identifier{p.Login}.Sanitize() }

// lock makes attempts at one database follow one another, whatever name it goes
// by; the catalog takes no two at once. It ends with the connection.
func (p *provisioner) lock(ctx context.Context) error { return lockProvision(ctx, p.conn) }

func lockProvision(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended('gatehouse.provision', 0))")
	return err
}

// inspect refuses, before anything is changed, a server that is too old, only
// replicates or has to be another one, and a database with a control plane.
func (p *provisioner) inspect(ctx context.Context) error {
	var replica, control, main bool
	var encoding string
	// By the catalog, which everybody may read: to_regclass is refused without
	// the right to use the schema.
	err := p.conn.QueryRow(ctx, `
		select current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('server_encoding'),
		       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'control' and c.relname = 'tenants'),
		       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'app' and c.relname = 'residents'),
		       exists (select from pg_roles where rolname = $1 and rolcanlogin)`, OwnerRole,
	).Scan(&p.version, &replica, &encoding, &control, &p.migrated, &main)
	switch {
	case err != nil:
		return err
	case !suitable(p.version, replica, encoding):
		return ErrUnsuitable
	case control:
		return ErrUsed
	case main && p.Apart:
		return ErrMainServer
	case !p.migrated && p.Expected != nil:
		return ErrOther
	}
	return nil
}

func suitable(version int, replica bool, encoding string) bool {
	return version >= minServer && !replica && encoding == "UTF8"
}

// checkResidents refuses a database of other tenants. Only then is anything
// made in it.
func (p *provisioner) checkResidents(ctx context.Context) error {
	if !p.migrated {
		return nil
	}
	return p.asOwner(ctx, func(tx pgx.Tx) error {
		if err := p.checkExpected(ctx, tx); err != nil {
			return err
		}
		_, err := p.abandoned(ctx, tx)
		return err
	})
}

// checkExpected refuses another database than the tenant's present one.
func (p *provisioner) checkExpected(ctx context.Context, tx pgx.Tx) error {
	if p.Expected == nil {
		return nil
	}
	var q tenantdb.Queries
	id, err := q.DatabaseID(ctx, tx)
	if err != nil {
		return err
	}
	var resides bool
	if err := tx.QueryRow(ctx, "select exists (select from app.residents where tenant_id = $1)", p.Tenant).Scan(&resides); err != nil {
		return err
	}
	if *p.Expected != uuid.Nil && id != *p.Expected || !resides {
		return ErrOther
	}
	return nil
}

// abandoned returns the other residents, which attempts that failed have left:
// tenants that the control plane does not know, with a login of our making.
// With any other resident, or a user of any other tenant, the database is in
// use or has been.
func (p *provisioner) abandoned(ctx context.Context, tx pgx.Tx) (tenants []string, err error) {
	var hasUsers, used bool
	if err := tx.QueryRow(ctx, "select to_regclass('tenant.users') is not null").Scan(&hasUsers); err != nil {
		return nil, err
	}
	if hasUsers {
		err := tx.QueryRow(ctx, "select exists (select from tenant.users where tenant_id not in ($1, $2))", p.Tenant, token.PlatformTenant).Scan(&used)
		if err != nil {
			return nil, err
		}
		if used {
			return nil, ErrUsed
		}
	}
	var q tenantdb.Queries
	residents, err := q.ListResidents(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, id := range residents {
		if id == p.Tenant || id == token.PlatformTenant { // the migrations admit the platform everywhere
			continue
		}
		if p.Abandoned == nil {
			return nil, ErrUsed
		}
		logins, err := p.Abandoned(ctx, id)
		if err != nil {
			return nil, err
		}
		var left bool
		if err := tx.QueryRow(ctx, "select exists (select from pg_roles where rolname = any($1))", logins).Scan(&left); err != nil {
			return nil, err
		}
		if !left {
			return nil, ErrUsed
		}
		tenants = append(tenants, id)
	}
	return tenants, nil
}

// makeRoles makes the roles that the migrations know. Those that are there stay
// as they are: on a shared server they are also those of other databases.
func (p *provisioner) makeRoles(ctx context.Context) error {
	for _, role := range []string{OwnerRole, AppRole, MaintRole} {
		exists, err := has(ctx, p.conn, "select exists (select from pg_roles where rolname = $1)", role)
		if err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := p.conn.Exec(ctx, fmt.Sprintf("create role %s nologin noinherit", role)); err != nil && !roleExists(err) {
			return err
		}
	}
	able, err := p.canBecomeOwner(ctx)
	if err != nil || able {
		return err
	}
	_, err = p.conn.Exec(ctx, fmt.Sprintf("grant %s to current_user", OwnerRole))
	return err
}

// makeLogin makes the role that serves, or sets its password anew.
func (p *provisioner) makeLogin(ctx context.Context) error {
	exists, powerful := false, false
	err := p.conn.QueryRow(ctx, `select count(*) > 0, coalesce(bool_or(rolsuper or rolbypassrls or rolcreaterole), false)
		from pg_roles where rolname = $1`, p.Login).Scan(&exists, &powerful)
	if err != nil {
		return err
	}
	if powerful {
		return ErrUnsuitable // nobody but the server's owner can have made it so
	}
	verifier, err := scramVerifier(p.Password)
	if err != nil {
		return err
	}
	// New roles have none of the powers that rows could be read around the
	// policies with. To take them from an existing one, PostgreSQL asks for a
	// superuser, even if it has none.
	verb := "alter"
	if !exists {
		verb, p.created = "create", true
	}
	database := pgx.Identifier{p.conn.Config().Database}.Sanitize()
	return execAll(ctx, p.conn, []string{
		fmt.Sprintf("grant connect, create on database %s to %s", database, OwnerRole),
		fmt.Sprintf("grant connect on database %s to %s", database, AppRole),
		fmt.Sprintf("%s role %s login inherit password %s", verb, p.login(), quote(verifier)),
		fmt.Sprintf("grant %s to %s", AppRole, p.login()),
		fmt.Sprintf("alter role %s set statement_timeout = '30s'", p.login()),
		fmt.Sprintf("alter role %s set lock_timeout = '5s'", p.login()),
		fmt.Sprintf("alter role %s set idle_in_transaction_session_timeout = '10s'", p.login()),
	})
}

// canBecomeOwner reports whether the connection's role may "set role gh_owner".
// Since PostgreSQL 16 whoever creates a role is its member at once, but may
// become it only after granting it to itself.
func (p *provisioner) canBecomeOwner(ctx context.Context) (bool, error) {
	privilege := "member"
	if p.version >= 160000 {
		privilege = "set"
	}
	return has(ctx, p.conn, "select exists (select from pg_roles where rolname = $1 and pg_has_role(oid, "+quote(privilege)+"))", OwnerRole)
}

func roleExists(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "42710" || e.Code == stateUniqueViolation)
}

// migrate brings the tenant plane up to date with gh_owner as the owner of
// everything, whoever connects.
func (p *provisioner) migrate(ctx context.Context) error {
	pc, err := ownerConfig(ctx, p.Reach, p.OwnerURL)
	if err != nil {
		return err
	}
	db := openAsOwner(pc)
	defer db.Close()
	for _, plane := range planesOf(tenantPlane) {
		if _, err := plane.migrate(ctx, db, p.log); err != nil {
			return err
		}
	}
	return nil
}

// admit makes the tenant the only resident.
func (p *provisioner) admit(ctx context.Context) error {
	return p.asOwner(ctx, func(tx pgx.Tx) error {
		if err := p.checkExpected(ctx, tx); err != nil {
			return err
		}
		left, err := p.abandoned(ctx, tx)
		if err != nil {
			return err
		}
		var q tenantdb.Queries
		for _, tenant := range append(left, token.PlatformTenant) {
			if err := q.ExpelTenant(ctx, tx, tenant); err != nil {
				return err
			}
		}
		if err := q.AdmitTenant(ctx, tx, p.Tenant); err != nil {
			return err
		}
		p.id, err = q.DatabaseID(ctx, tx)
		return err
	})
}

func (p *provisioner) asOwner(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return asOwner(ctx, p.conn, fn)
}
