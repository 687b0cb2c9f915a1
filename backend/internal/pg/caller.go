package pg

import "gatehouse/internal/token"

// Caller returns the scope of a signed-in user's request: its tenant, with its
// session checked in the same round trip.
func Caller(c token.Claims, write bool) Scope {
	return Scope{Tenant: c.Tenant, Write: write, Session: c.Session, User: c.UserID}
}
