//go:build vet

package pg_test

import (
	"os"
	osexec "os/exec"
	"testing"

	"gatehouse/backend/internal/dbtest"
)

// TestVet holds every query against the rules of sqlc.yaml. PostgreSQL prepares
// each of them, as the owner of a migrated database.
func TestVet(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	vet := osexec.CommandContext(t.Context(), "bin/sqlc", "vet")
	vet.Dir = "../../.."
	vet.Env = append(os.Environ(), "SQLC_VET_URL="+db.OwnerURL.Reveal())
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("sqlc vet: %v\n%s", err, out)
	}
}
