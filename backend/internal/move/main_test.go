package move

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
