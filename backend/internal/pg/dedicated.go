package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// What can be wrong with a database that is to be a tenant's own.
var (
	// ErrUnreachable says that no connection could be made.
	ErrUnreachable = errors.New("the database cannot be reached")
	// ErrUnsuitable says that the connection's role may not do what is needed.
	ErrUnsuitable = errors.New("the role must own the database and may create roles")
	// ErrUsed says that the database holds the control plane or other tenants.
	ErrUsed = errors.New("the database is used already")
)

// Dedicated is a database that one tenant has for itself.
type Dedicated struct {
	// OwnerURL connects as a role that owns the database and may create roles.
	OwnerURL config.Secret
	Tenant   string
	// Login and Password are those of the role that is made for serving.
	Login    string
	Password string
}

// ServingURL is the connection string of the login that [Provision] makes.
func (d Dedicated) ServingURL() (config.Secret, error) {
	u, err := url.Parse(d.OwnerURL.Reveal())
	if err != nil {
		return "", ErrUnreachable // the cause may quote the password
	}
	u.User = url.UserPassword(d.Login, d.Password)
	return config.Secret(u.String()), nil
}

// Provision makes the database ready for its tenant: the roles that the
// migrations know, without a login, where the server lacks them; a login of
// its own for serving, which belongs to gh_app and is under row-level
// security; the tenant plane; and the tenant as its only resident. It can be
// repeated. It returns the database's identity, which copies share.
func Provision(ctx context.Context, d Dedicated, log *slog.Logger) (uuid.UUID, error) {
	pc, err := pgx.ParseConfig(d.OwnerURL.Reveal())
	if err != nil {
		return uuid.Nil, ErrUnreachable
	}
	pc.ConnectTimeout = connectTimeout
	conn, err := pgx.ConnectConfig(ctx, pc)
	if err != nil {
		return uuid.Nil, errors.Join(ErrUnreachable, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	if err := checkUnused(ctx, conn, d.Tenant); err != nil {
		return uuid.Nil, err
	}
	if err := makeRoles(ctx, conn, d); err != nil {
		return uuid.Nil, unsuitable(err)
	}
	if err := migrateAsOwner(ctx, pc, log); err != nil {
		return uuid.Nil, unsuitable(err)
	}
	var id uuid.UUID
	err = AsOwner(ctx, d.OwnerURL, func(tx tenantdb.DBTX) error {
		var q tenantdb.Queries
		if err := q.ExpelTenant(ctx, tx, token.PlatformTenant); err != nil { // the migrations admit it everywhere
			return err
		}
		if err := q.AdmitTenant(ctx, tx, d.Tenant); err != nil {
			return err
		}
		id, err = q.DatabaseID(ctx, tx)
		return err
	})
	return id, err
}

// checkUnused refuses a database with a control plane or with other tenants.
func checkUnused(ctx context.Context, conn *pgx.Conn, tenant string) error {
	var control, residents *string
	if err := conn.QueryRow(ctx, "select to_regclass('control.tenants')::text, to_regclass('app.residents')::text").Scan(&control, &residents); err != nil {
		return errors.Join(ErrUnreachable, err)
	}
	if control != nil {
		return ErrUsed
	}
	if residents == nil {
		return nil
	}
	rows, err := conn.Query(ctx, tenantdb.ListResidents)
	if err != nil {
		return unsuitable(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return unsuitable(err)
	}
	if slices.ContainsFunc(ids, func(id string) bool { return id != tenant && id != token.PlatformTenant }) {
		return ErrUsed
	}
	return nil
}

// makeRoles leaves roles that are there as they are: on a shared server they
// are also those of other databases.
func makeRoles(ctx context.Context, conn *pgx.Conn, d Dedicated) error {
	for _, role := range []string{OwnerRole, AppRole, MaintRole} {
		exists, err := has(ctx, conn, "select exists (select from pg_roles where rolname = $1)", role)
		if err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("create role %s nologin noinherit", role)); err != nil && !roleExists(err) {
			return err
		}
	}
	member, err := has(ctx, conn, "select pg_has_role(current_user, $1, 'member')", OwnerRole)
	if err != nil {
		return err
	}
	var statements []string
	if !member {
		statements = append(statements, fmt.Sprintf("grant %s to current_user", OwnerRole))
	}
	database := pgx.Identifier{conn.Config().Database}.Sanitize()
	login := pgx.Identifier{d.Login}.Sanitize()
	verb := "create"
	if exists, err := has(ctx, conn, "select exists (select from pg_roles where rolname = $1)", d.Login); err != nil {
		return err
	} else if exists {
		verb = "alter"
	}
	return execAll(ctx, conn, append(statements,
		fmt.Sprintf("grant connect, create on database %s to %s", database, OwnerRole),
		fmt.Sprintf("grant connect on database %s to %s", database, AppRole),
		fmt.Sprintf("%s role %s login inherit nosuperuser nocreatedb nocreaterole password %s", verb, login, quote(d.Password)),
		fmt.Sprintf("grant %s to %s", AppRole, login),
		fmt.Sprintf("alter role %s set statement_timeout = '30s'", login),
		fmt.Sprintf("alter role %s set lock_timeout = '5s'", login),
		fmt.Sprintf("alter role %s set idle_in_transaction_session_timeout = '10s'", login),
	))
}

func roleExists(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "42710" || e.Code == stateUniqueViolation)
}

// migrateAsOwner brings the tenant plane up to date with gh_owner as the owner
// of everything, whoever connects.
func migrateAsOwner(ctx context.Context, pc *pgx.ConnConfig, log *slog.Logger) error {
	db := stdlib.OpenDB(*pc, stdlib.OptionAfterConnect(becomeOwner))
	defer db.Close()
	for _, p := range planes {
		if p.name == tenantPlane {
			return p.migrate(ctx, db, log)
		}
	}
	return nil
}

func becomeOwner(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "set role "+OwnerRole)
	return err
}

// AsOwner runs fn in a transaction of gh_owner, on a connection of its own. It
// is for what a dedicated database's serving login may not do.
func AsOwner(ctx context.Context, ownerURL config.Secret, fn func(tx tenantdb.DBTX) error) error {
	pc, err := pgx.ParseConfig(ownerURL.Reveal())
	if err != nil {
		return ErrUnreachable
	}
	pc.ConnectTimeout = connectTimeout
	conn, err := pgx.ConnectConfig(ctx, pc)
	if err != nil {
		return translate(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := becomeOwner(ctx, conn); err != nil {
		return translate(err)
	}
	return translate(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return fn(&inTx{tx: tx, run: ctx}) }))
}

// Retire takes the tenant out of its database and drops the serving login. The
// tenant's data stays.
func Retire(ctx context.Context, d Dedicated) error {
	err := AsOwner(ctx, d.OwnerURL, func(tx tenantdb.DBTX) error {
		var q tenantdb.Queries
		return q.ExpelTenant(ctx, tx, d.Tenant)
	})
	if err != nil {
		return err
	}
	conn, err := connect(ctx, d.OwnerURL.Reveal())
	if err != nil {
		return translate(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "drop role if exists "+pgx.Identifier{d.Login}.Sanitize())
	return translate(err)
}

// unsuitable tells apart a role that may not do what is needed from a server
// that went away.
func unsuitable(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && (strings.HasPrefix(e.Code, "42") || strings.HasPrefix(e.Code, "0A")) {
		return errors.Join(ErrUnsuitable, err)
	}
	return translate(err)
}
