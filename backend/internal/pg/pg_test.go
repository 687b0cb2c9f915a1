package pg_test

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestCheck(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}
