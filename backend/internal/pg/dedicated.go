package pg

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// Dedicated is a database that one tenant has for itself.
type Dedicated struct {
	// OwnerURL connects as a role that owns the database and may create roles,
	// or as a superuser. It must not lead through a pooler.
	OwnerURL config.Secret
	Tenant   string
	Reach    Reach
	// Login and Password are those of the role that is made for serving.
	Login    string
	Password string
	// Apart refuses a server to which gh_owner can sign in: the database's owner
	// becomes its member, and so could read whatever else it owns there.
	Apart bool
	// Expected, if set, is the identity of the tenant's present database: one
	// that has another is left alone, and so is one where the tenant does not
	// live, whatever its identity.
	Expected *uuid.UUID
	// Abandoned returns the logins, one of which an attempt to provision the
	// database for another tenant would have made, or none when that tenant exists.
	// What an attempt left that failed is taken over.
	Abandoned func(ctx context.Context, tenant string) (logins []string, err error)
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

// asOwner runs fn in a transaction of gh_owner.
func asOwner(ctx context.Context, conn *pgx.Conn, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local role "+OwnerRole); err != nil {
			return err
		}
		return fn(tx)
	})
}

// AsOwner runs fn in a transaction of gh_owner, on a connection of its own. It
// is for what a dedicated database's serving login may not do. Its errors tell
// nothing of the connection string.
func AsOwner(ctx context.Context, r Reach, ownerURL config.Secret, fn func(tx tenantdb.DBTX) error) error {
	conn, err := dial(ctx, r, ownerURL)
	if err != nil {
		return problem.Wrap(problem.Unavailable, err)
	}
	defer hangUp(conn)
	return Conceal(translate(asOwner(ctx, conn, func(tx pgx.Tx) error { return fn(&inTx{tx: tx, run: ctx}) })))
}

// Retire runs fn, which takes the tenant out of its database, in a transaction
// of gh_owner, and then drops the serving login. The tenant's data stays. It
// waits for attempts to provision the database, and can be repeated.
func Retire(ctx context.Context, d Dedicated, fn func(tx tenantdb.DBTX) error) error {
	conn, err := dial(ctx, d.Reach, d.OwnerURL)
	if err != nil {
		return problem.Wrap(problem.Unavailable, err)
	}
	defer hangUp(conn)
	if err = lockProvision(ctx, conn); err == nil {
		err = asOwner(ctx, conn, func(tx pgx.Tx) error { return fn(&inTx{tx: tx, run: ctx}) })
	}
	if err == nil {
		_, err = conn.Exec(ctx, "drop role if exists "+pgx.Identifier{d.Login}.Sanitize())
	}
	return Conceal(translate(err))
}

// LoginRefused reports that a database may not know its serving login any more:
// it lets nobody in under that name or, on a connection that lasts, allows
// nothing to it.
func LoginRefused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "28") || e.Code == "42501")
}

// OpenDedicated is [Open] for a dedicated database, to which each connection
// must come about within the given time.
func OpenDedicated(c Config, r Reach, connect time.Duration) (*DB, error) {
	return open(c, connect, r.lookup)
}

// CheckDedicated is [DB.Check] for a dedicated database, which has the tenant
// plane only.
func (db *DB) CheckDedicated(ctx context.Context) error {
	for _, p := range planesOf(tenantPlane) {
		if err := p.check(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// dial connects as the owner of a dedicated database.
func dial(ctx context.Context, r Reach, ownerURL config.Secret) (*pgx.Conn, error) {
	pc, err := ownerConfig(ctx, r, ownerURL)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, pc)
	if err != nil {
		return nil, Conceal(err)
	}
	return conn, nil
}

// hangUp says goodbye without waiting for an answer.
func hangUp(conn *pgx.Conn) { _ = conn.Close(context.Background()) }

// ownerConfig reads an owner's connection string. What the process's
// environment says about PostgreSQL, such as PGPASSWORD, is ours and not meant
// for that server.
func ownerConfig(ctx context.Context, r Reach, ownerURL config.Secret) (*pgx.ConnConfig, error) {
	parsed, err := url.Parse(ownerURL.Reveal())
	if err != nil {
		return nil, Unreachable // the cause may quote the password
	}
	pc, err := pgx.ParseConfig(ownerURL.Reveal())
	if err != nil {
		return nil, Unreachable
	}
	pc.Password, _ = parsed.User.Password()
	pc.RuntimeParams = map[string]string{"application_name": "gatehouse-backend"}
	pc.ConnectTimeout = connectTimeout
	pc.LookupFunc = r.lookup(pc.LookupFunc)
	// A statement that ctx does not reach, such as a driver's on its way out,
	// must not wait for a server that has fallen silent.
	if deadline, ok := ctx.Deadline(); ok {
		dial := pc.DialFunc
		pc.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err == nil {
				err = conn.SetDeadline(deadline.Add(cancelMargin))
			}
			return conn, err
		}
	}
	return pc, nil
}
