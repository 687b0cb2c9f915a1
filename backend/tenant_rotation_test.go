package backend

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
)

const newSecret = "kR7pWzD1hGm4YcNs9eTbUq6vJx2LfA8oEi5ZrCj0"

// After a new key was put in front of TENANT_DB_KEY, what depends on the old one
// goes on: dedicated tenants are served, nobody else gets their database, and
// a request that is repeated is answered as before.
func TestNewTenantKey(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	body := map[string]any{"id": "own", "name": "Own", "signup": "open", "db_url": db.Reveal()}
	s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k").want(t, 201)
	s.signup("own", "ana")

	rotated := newTestServer(t, func(c *Config) {
		c.Database.URL, c.Maint.URL = s.db.URL, s.db.MaintURL
		c.Tenants.Key = config.Secret(newSecret + "," + testSecret)
	})
	rotated.login("own", "ana")
	if again := rotated.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k").want(t, 201); again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("the repeated request was taken for a new one")
	}
	body["name"] = "Another"
	rotated.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k").problem(t, 422, "idempotency_mismatch")

	// Its residents would tell, too, if it were not for the key.
	dbtest.Exec(t, s.adminURL(db), "delete from app.residents")
	dbtest.Exec(t, s.adminURL(db), "delete from tenant.users")
	body["id"] = "another"
	rotated.do("POST", tenantsPath, operator.Access, body).problem(t, 409, "conflict")
	rotated.newTenant(operator, "second", "open", dbtest.NewDedicated(t))
}
