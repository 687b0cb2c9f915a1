package placement

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"

	"github.com/google/uuid"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
)

// Sealed is the placement of a dedicated tenant as the control plane keeps it.
type Sealed struct {
	// OwnerURL holds the connection string that an operator gave, and the
	// identity of the database that it led to.
	OwnerURL []byte
	// ServingURL holds that of the login which was made for serving.
	ServingURL []byte
}

// Exists reports whether the control plane knows a tenant.
type Exists func(ctx context.Context, tenant string) (bool, error)

// DatabaseKeys returns what two connection strings of one database have in
// common, for each key of TENANT_DB_KEY: by the first one the database goes from
// now on. It tells nothing to who does not have the key.
func (d *Directory) DatabaseKeys(u *url.URL) [][]byte { return d.sealer.databaseKeys(u) }

// Provision makes a database ready for a new tenant (see [pg.Provision]) and
// seals the connection strings. The URL has been through [ParseURL]. What an
// attempt left that failed, for a tenant that does not exist, is taken over.
func (d *Directory) Provision(ctx context.Context, tenant string, u *url.URL, exists Exists) (Sealed, error) {
	target := d.dedicated(tenant, u, rand.Text())
	target.Abandoned = func(ctx context.Context, other string) ([]string, error) {
		if known, err := exists(ctx, other); known || err != nil {
			return nil, err
		}
		return d.sealer.logins(other, u), nil
	}
	return d.provision(ctx, tenant, u, target)
}

// Reprovision is Provision for another connection string of the database that
// the tenant has; any other database is [pg.ErrOther]. Backends that still go by
// the former connection string are not disturbed.
//
// When the former one does not open, because TENANT_DB_KEY was lost, the
// database only has to be one where the tenant lives.
func (d *Directory) Reprovision(ctx context.Context, tenant string, u *url.URL, former Sealed) (Sealed, error) {
	target := d.dedicated(tenant, u, rand.Text())
	_, id, _ := d.sealer.openOwner(tenant, former.OwnerURL) // uuid.Nil expects any
	target.Expected = &id
	// A login that was made under another key is kept, too, for a database that
	// goes by the same name.
	if before, err := d.serving(tenant, former); err == nil && database(before) == database(u) {
		target.Login = before.User.Username()
		target.Password, _ = before.User.Password()
	}
	return d.provision(ctx, tenant, u, target)
}

func (d *Directory) provision(ctx context.Context, tenant string, u *url.URL, target pg.Dedicated) (Sealed, error) {
	id, err := pg.Provision(ctx, target, d.log)
	if err != nil {
		return Sealed{}, err
	}
	serving, err := target.ServingURL()
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{
		OwnerURL:   d.sealer.sealOwner(tenant, config.Secret(u.String()), id),
		ServingURL: d.sealer.seal(tenant, servingURL, serving),
	}, nil
}

// Retire undoes [Directory.Provision] but leaves the data.
func (d *Directory) Retire(ctx context.Context, tenant string, u *url.URL) error {
	return pg.Retire(ctx, d.dedicated(tenant, u, ""), func(tx tenantdb.DBTX) error {
		var q tenantdb.Queries
		return q.ExpelTenant(ctx, tx, tenant)
	})
}

// Leave runs fn like [Directory.AsOwner] and then drops the serving login: the
// tenant is not served from there any more.
func (d *Directory) Leave(ctx context.Context, tenant string, s Sealed, fn func(tx tenantdb.DBTX) error) error {
	plain, _, err := d.sealer.openOwner(tenant, s.OwnerURL)
	if err != nil {
		return err
	}
	u, err := url.Parse(plain.Reveal())
	if err != nil {
		return errSealed // the cause may quote the password
	}
	target := d.dedicated(tenant, u, "")
	if before, err := d.serving(tenant, s); err == nil {
		target.Login = before.User.Username()
	}
	return pg.Retire(ctx, target, fn)
}

// serving opens the connection string that serves a tenant.
func (d *Directory) serving(tenant string, s Sealed) (*url.URL, error) {
	plain, err := d.sealer.open(tenant, servingURL, s.ServingURL)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(plain.Reveal())
	if err != nil {
		return nil, errSealed // the cause may quote the password
	}
	return u, nil
}

// AsOwner runs fn as the owner of a tenant's dedicated database, whose sealed
// owner URL is given.
func (d *Directory) AsOwner(ctx context.Context, tenant string, sealed []byte, fn func(tx tenantdb.DBTX) error) error {
	u, _, err := d.sealer.openOwner(tenant, sealed)
	if err != nil {
		return err
	}
	return pg.AsOwner(ctx, d.reach(), u, fn)
}

// Owner connects to a tenant's dedicated database, whose sealed owner URL is given,
// for long work (see [pg.OpenOwner]).
func (d *Directory) Owner(ctx context.Context, tenant string, sealed []byte, work string) (*pg.Owner, error) {
	u, _, err := d.sealer.openOwner(tenant, sealed)
	if err != nil {
		return nil, err
	}
	return pg.OpenDedicatedOwner(ctx, d.reach(), u, work)
}

func (d *Directory) reach() pg.Reach { return pg.Reach{Local: d.config.Local} }

func (d *Directory) dedicated(tenant string, u *url.URL, password string) pg.Dedicated {
	return pg.Dedicated{
		OwnerURL: config.Secret(u.String()),
		Tenant:   tenant,
		Reach:    d.reach(),
		Login:    d.sealer.logins(tenant, u)[0],
		Password: password,
		Apart:    d.config.OnMain != allow,
	}
}

// logins name the role that serves a tenant from a database, under each key:
// always the same for both, so that a repeated attempt finds its own, and two
// tenants on one server never share one.
func (s *sealer) logins(tenant string, u *url.URL) []string {
	var names []string
	for _, sum := range s.sums("login", tenant, database(u)) {
		names = append(names, "gh_tenant_"+hex.EncodeToString(sum[:8]))
	}
	return names
}

// sealOwner puts the database's identity in front of the owner's connection
// string, so that another one can be held against it even when the former
// database is gone.
func (s *sealer) sealOwner(tenant string, u config.Secret, id uuid.UUID) []byte {
	return s.seal(tenant, ownerURL, config.Secret(id[:])+u)
}

func (s *sealer) openOwner(tenant string, sealed []byte) (u config.Secret, id uuid.UUID, err error) {
	plain, err := s.open(tenant, ownerURL, sealed)
	if err != nil {
		return "", uuid.Nil, err
	}
	if len(plain) < len(id) {
		return "", uuid.Nil, errSealed
	}
	copy(id[:], plain)
	return plain[len(id):], id, nil
}
