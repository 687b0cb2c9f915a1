package pg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/internal/config"
)

// The roles. None of them bypasses row-level security.
const (
	OwnerRole = "gh_owner" // owns and migrates
	AppRole   = "gh_app"   // serves
	MaintRole = "gh_maint" // housekeeping over all tenants
)

// Bootstrap makes the roles and the database that the three URLs name. Admin
// is a superuser's URL, or one of a role that may create roles and databases.
// It can be repeated: passwords are set anew, nothing is dropped.
func Bootstrap(ctx context.Context, admin, owner, app, maint config.Secret) error {
	conn, err := connect(ctx, admin.Reveal())
	if err != nil {
		return fmt.Errorf("connect with BOOTSTRAP_DATABASE_URL: %w", err)
	}
	defer conn.Close(ctx)

	// Two bootstraps at once would race on the catalog.
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended('gatehouse.bootstrap', 0))"); err != nil {
		return err
	}
	for _, r := range []struct {
		name     string
		url      config.Secret
		settings []string
	}{
		{OwnerRole, owner, nil},
		{AppRole, app, []string{"statement_timeout = '30s'", "lock_timeout = '5s'", "idle_in_transaction_session_timeout = '10s'"}},
		{MaintRole, maint, []string{"lock_timeout = '5s'", "idle_in_transaction_session_timeout = '60s'"}},
	} {
		if err := ensureRole(ctx, conn, r.name, r.url, r.settings); err != nil {
			return fmt.Errorf("create role %s: %w", r.name, err)
		}
	}
	return ensureDatabase(ctx, conn, admin, owner)
}

func ensureRole(ctx context.Context, conn *pgx.Conn, name string, u config.Secret, settings []string) error {
	parsed, err := url.Parse(u.Reveal())
	if err != nil {
		return errors.New("its URL cannot be read")
	}
	password, _ := parsed.User.Password()
	verb := "alter"
	if exists, err := has(ctx, conn, "select exists (select from pg_roles where rolname = $1)", name); err != nil {
		return err
	} else if !exists {
		verb = "create"
	}
	statements := []string{fmt.Sprintf("%s role %s login nosuperuser nocreatedb nocreaterole noinherit nobypassrls password %s",
		verb, name, quote(password))}
	for _, s := range settings {
		statements = append(statements, fmt.Sprintf("alter role %s set %s", name, s))
	}
	return execAll(ctx, conn, statements)
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn, admin, owner config.Secret) error {
	parsed, err := url.Parse(owner.Reveal())
	if err != nil {
		return errors.New("MIGRATE_DATABASE_URL cannot be read")
	}
	name := strings.TrimPrefix(parsed.Path, "/")
	ident := pgx.Identifier{name}.Sanitize()
	exists, err := has(ctx, conn, "select exists (select from pg_database where datname = $1)", name)
	if err != nil {
		return err
	}
	if !exists {
		err := execAll(ctx, conn, []string{
			// A role that is no superuser must be a member to give the database away.
			fmt.Sprintf("grant %s to current_user", OwnerRole),
			fmt.Sprintf("create database %s owner %s encoding 'UTF8' template template0", ident, OwnerRole),
			fmt.Sprintf("revoke all on database %s from public", ident),
		})
		if err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	err = execAll(ctx, conn, []string{
		fmt.Sprintf("grant connect, create on database %s to %s", ident, OwnerRole),
		fmt.Sprintf("grant connect on database %s to %s, %s", ident, AppRole, MaintRole),
	})
	if err != nil {
		return fmt.Errorf("grant on database %s: %w", name, err)
	}
	return nil
}

func connect(ctx context.Context, u string) (*pgx.Conn, error) {
	pc, err := pgx.ParseConfig(u)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	return pgx.ConnectConfig(ctx, pc)
}

func has(ctx context.Context, conn *pgx.Conn, sql, arg string) (bool, error) {
	var yes bool
	err := conn.QueryRow(ctx, sql, arg).Scan(&yes)
	return yes, err
}

func execAll(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// quote makes a string literal. Utility statements take no parameters.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// lostSchemaRace reports that another process created the schema at the same
// moment; "if not exists" does not cover that in PostgreSQL.
func lostSchemaRace(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == stateUniqueViolation || e.Code == "42P06")
}
