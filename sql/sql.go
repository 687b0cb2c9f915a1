// Package sql embeds the migrations of both planes. The queries beside them
// are compiled by sqlc into backend/internal/controldb and
// backend/internal/tenantdb.
package sql

import (
	"embed"
	"io/fs"
)

//go:embed control/migrations/*.sql
var control embed.FS

//go:embed tenant/migrations/*.sql
var tenant embed.FS

// Control returns the migrations of the control plane: tenants and their
// placement, in the main database only.
func Control() fs.FS { return sub(control, "control/migrations") }

// Tenant returns the migrations of the tenant plane: what tenants own, in the
// main database and in every dedicated one.
func Tenant() fs.FS { return sub(tenant, "tenant/migrations") }

func sub(files embed.FS, dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return f
}
