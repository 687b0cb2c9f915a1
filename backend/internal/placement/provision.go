package placement

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
)

// Sealed is the placement of a dedicated tenant as the control plane keeps it.
type Sealed struct {
	DatabaseKey []byte
	OwnerURL    []byte
	ServingURL  []byte
	// DatabaseID is the same for copies of one database.
	DatabaseID uuid.UUID
}

// DatabaseKey returns what two connection strings of one database have in
// common.
func (d *Directory) DatabaseKey(u *url.URL) []byte { return d.sealer.databaseKey(u) }

// Provision makes a database ready for its tenant (see [pg.Provision]) and
// seals the connection strings. The URL has been through [ParseURL].
func (d *Directory) Provision(ctx context.Context, tenant string, u *url.URL) (Sealed, error) {
	target := dedicated(tenant, u, rand.Text())
	id, err := pg.Provision(ctx, target, d.log)
	if err != nil {
		return Sealed{}, err
	}
	serving, err := target.ServingURL()
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{
		DatabaseKey: d.sealer.databaseKey(u),
		OwnerURL:    d.sealer.seal(tenant, ownerURL, target.OwnerURL),
		ServingURL:  d.sealer.seal(tenant, servingURL, serving),
		DatabaseID:  id,
	}, nil
}

// Retire undoes [Directory.Provision] but leaves the data.
func (d *Directory) Retire(ctx context.Context, tenant string, u *url.URL) error {
	return pg.Retire(ctx, dedicated(tenant, u, ""))
}

// AsOwner runs fn as the owner of a tenant's dedicated database, whose sealed
// owner URL is given.
func (d *Directory) AsOwner(ctx context.Context, tenant string, sealed []byte, fn func(tx tenantdb.DBTX) error) error {
	u, err := d.sealer.open(tenant, ownerURL, sealed)
	if err != nil {
		return err
	}
	return pg.AsOwner(ctx, u, fn)
}

// dedicated names the login after tenant and database, so that a repeated
// attempt finds its own and two tenants on one server never share.
func dedicated(tenant string, u *url.URL, password string) pg.Dedicated {
	sum := sha256.Sum256([]byte(tenant + "\x00" + strings.TrimPrefix(u.Path, "/")))
	return pg.Dedicated{
		OwnerURL: config.Secret(u.String()),
		Tenant:   tenant,
		Login:    "gh_tenant_" + hex.EncodeToString(sum[:8]),
		Password: password,
	}
}
