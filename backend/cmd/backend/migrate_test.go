package main

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
)

func TestPrintMigrated(t *testing.T) {
	t.Parallel()
	all := []placement.Migrated{
		{Changes: []pg.Change{{Plane: "control", From: 3, To: 4}, {Plane: "tenant", From: 9, To: 9}}},
		{Tenant: "acme", Changes: []pg.Change{{Plane: "tenant", From: 7, To: 8}}, Err: errors.New("broken")},
		{Tenant: "globex", Err: pg.Unreachable},
	}
	for dry, word := range map[bool]string{false: "migrated", true: "would be migrated"} {
		want := `DATABASE       PLANE    FROM  TO  RESULT
main           control  3     4   WORD
main           tenant   9     9   up to date
tenant acme    tenant   7     8   WORD
tenant acme    -        -     -   failed: broken
tenant globex  -        -     -   failed: database: unreachable
`
		var out strings.Builder
		if err := printMigrated(&out, all, dry); err != nil || out.String() != strings.ReplaceAll(want, "WORD", word) {
			t.Errorf("got %v\n%s", err, out.String())
		}
	}
}
