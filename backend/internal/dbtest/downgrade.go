package dbtest

import (
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"gatehouse/internal/config"
	gatehousesql "gatehouse/sql"
)

// The schemas of the version of Gatehouse before this one. Processes of both
// versions are at work during an upgrade. The statements of that version are in
// package pg's testdata/previous.
const (
	PreviousControl = 4
	PreviousTenant  = 11
)

// Downgrade takes the tenant plane of a database back to a version, as a
// superuser.
func Downgrade(t testing.TB, url config.Secret, version int64) {
	t.Helper()
	downgrade(t, url, gatehousesql.Tenant(), "app.schema_version", version)
}

// DowngradeControl does the same with the control plane.
func DowngradeControl(t testing.TB, url config.Secret, version int64) {
	t.Helper()
	downgrade(t, url, gatehousesql.Control(), "control.schema_version", version)
}

func downgrade(t testing.TB, url config.Secret, files fs.FS, table string, version int64) {
	t.Helper()
	pc, err := pgx.ParseConfig(url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*pc)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(table), goose.WithDisableGlobalRegistry(true))
	if err == nil {
		_, err = provider.DownTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}
