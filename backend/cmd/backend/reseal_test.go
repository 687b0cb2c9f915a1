package main

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/backend/internal/placement"
)

func TestPrintResealed(t *testing.T) {
	t.Parallel()
	want := `TENANT  RESULT
acme    sealed anew
globex  sealed with the first key already
own     failed: broken
`
	var out strings.Builder
	err := printResealed(&out, []placement.Resealed{{Tenant: "acme", Done: true}, {Tenant: "globex"}, {Tenant: "own", Err: errors.New("broken")}})
	if err != nil || out.String() != want {
		t.Errorf("got %v\n%s", err, out.String())
	}
}
