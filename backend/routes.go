package backend

import (
	"slices"
	"time"

	"gatehouse/backend/internal/audit"
	"gatehouse/backend/internal/auth"
	"gatehouse/backend/internal/catalogue"
	"gatehouse/backend/internal/contact"
	"gatehouse/backend/internal/invoice"
	"gatehouse/backend/internal/logstream"
	"gatehouse/backend/internal/nfe/nfexml"
	"gatehouse/backend/internal/override"
	"gatehouse/backend/internal/session"
	"gatehouse/backend/internal/tenant"
	"gatehouse/backend/internal/user"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/health"
	"gatehouse/internal/token"
)

// features are the services that answer requests.
type features struct {
	auth      *auth.Service
	session   *session.Service
	contact   *contact.Service
	catalogue *catalogue.Service
	invoice   *invoice.Service
	user      *user.Service
	audit     *audit.Service
	tenant    *tenant.Service
	override  *override.Service
	streams   *logstream.Service
	keys      *token.Keyring
}

// routes lists every operation that the backend serves. It is the same set as
// that of api/openapi.yaml, with the same roles, which a test holds.
func routes(probe *health.Checker, f features) []web.Route {
	a, s, c, n, u, t := f.auth, f.session, f.contact, f.invoice, f.user, f.tenant
	all := []web.Route{
		{Method: "GET", Path: "/health", Access: web.Public, Handle: handleHealth(probe)},
		{Method: "GET", Path: "/api/v1/health", Access: web.Public, Handle: handleHealth(probe)},
		{Method: "GET", Path: "/api/v1/ping", Access: web.Public, Handle: handlePing},
		{Method: "GET", Path: "/.well-known/jwks.json", Access: web.Public, Handle: handleJWKS(f.keys)},

		{Method: "POST", Path: "/api/v1/auth/signup", Access: web.Public, Handle: a.HandleSignup},
		{Method: "POST", Path: "/api/v1/auth/login", Access: web.Public, Handle: a.HandleLogin},
		{Method: "POST", Path: "/api/v1/auth/refresh", Access: web.Public, Handle: a.HandleRefresh},
		{Method: "POST", Path: "/api/v1/auth/logout", Handle: s.HandleLogout},
		{Method: "POST", Path: "/api/v1/auth/logout-all", Handle: s.HandleLogoutAll},
		{Method: "GET", Path: "/api/v1/auth/me", Handle: a.HandleMe},
		{Method: "POST", Path: "/api/v1/auth/password", Handle: a.HandlePassword},
		{Method: "GET", Path: "/api/v1/auth/sessions", Query: true, Handle: s.HandleListOwn},
		{Method: "DELETE", Path: "/api/v1/auth/sessions/{id}", Handle: s.HandleEndOwn},

		{Method: "GET", Path: "/api/v1/users/{id}/sessions", Query: true, Handle: s.HandleList},
		{Method: "DELETE", Path: "/api/v1/users/{id}/sessions", Handle: s.HandleEndAll},

		{Method: "GET", Path: "/api/v1/users", Role: token.Admin, Query: true, Handle: u.HandleList},
		{Method: "POST", Path: "/api/v1/users", Role: token.Admin, Handle: u.HandleCreate},
		{Method: "GET", Path: "/api/v1/users/{id}", Handle: u.HandleGet},
		{Method: "PUT", Path: "/api/v1/users/{id}", Handle: u.HandleUpdate},
		{Method: "DELETE", Path: "/api/v1/users/{id}", Handle: u.HandleDelete},
		{Method: "GET", Path: "/api/v1/users/{id}/logins", Query: true, Handle: u.HandleLogins},

		{Method: "GET", Path: "/api/v1/invitations", Role: token.Admin, Query: true, Handle: u.HandleListInvitations},
		{Method: "POST", Path: "/api/v1/invitations", Role: token.Admin, Handle: u.HandleInvite},
		{Method: "DELETE", Path: "/api/v1/invitations/{id}", Role: token.Admin, Handle: u.HandleUninvite},
		{Method: "POST", Path: "/api/v1/admin/tenants/{id}/invitations", Role: token.Operator, Handle: u.HandleInviteTo},

		{Method: "GET", Path: "/api/v1/audit", Role: token.Admin, Query: true, Handle: f.audit.HandleList},
		{Method: "GET", Path: "/api/v1/admin/tenants", Role: token.Operator, Query: true, Handle: t.HandleList},
		{Method: "POST", Path: "/api/v1/admin/tenants", Role: token.Operator, Handle: t.HandleCreate},
		{Method: "GET", Path: "/api/v1/admin/tenants/{id}", Role: token.Operator, Handle: t.HandleGet},
		{Method: "PUT", Path: "/api/v1/admin/tenants/{id}", Role: token.Operator, Handle: t.HandleUpdate},
		{Method: "DELETE", Path: "/api/v1/admin/tenants/{id}", Role: token.Operator, Handle: t.HandleDelete},
		{Method: "POST", Path: "/api/v1/admin/tenants/{id}/suspend", Role: token.Operator, Handle: t.HandleSuspend},
		{Method: "POST", Path: "/api/v1/admin/tenants/{id}/resume", Role: token.Operator, Handle: t.HandleResume},
		{Method: "GET", Path: "/api/v1/admin/tenants/{id}/limits", Role: token.Operator, Handle: f.override.HandleGet},
		{Method: "PUT", Path: "/api/v1/admin/tenants/{id}/limits", Role: token.Operator, Handle: f.override.HandleSet},
		{Method: "GET", Path: "/api/v1/admin/tenant/stats", Role: token.Operator, Handle: t.HandleStats},
		{Method: "GET", Path: "/api/v1/admin/tenant/health", Role: token.Operator, Handle: t.HandleHealth},
		{Method: "GET", Path: "/api/v1/admin/tenant/status", Role: token.Operator, Handle: t.HandleStatus},
		{Method: "GET", Path: "/api/v1/admin/audit", Role: token.Operator, Query: true, Handle: f.audit.HandleListAll},
		{Method: "GET", Path: "/api/v1/admin/logs/stream", Role: token.Operator, Query: true, Handle: f.streams.HandleStream},

		{Method: "GET", Path: "/api/v1/address-book", Query: true, Handle: c.HandleList},
		{Method: "POST", Path: "/api/v1/address-book", Handle: c.HandleCreate},
		{Method: "GET", Path: "/api/v1/address-book/export", Query: true, Handle: c.HandleExport},
		{Method: "POST", Path: "/api/v1/address-book/import", Query: true, MaxBody: contact.MaxFile, Handle: c.HandleImport},
		{Method: "GET", Path: "/api/v1/address-book/{id}", Handle: c.HandleGet},
		{Method: "PUT", Path: "/api/v1/address-book/{id}", Handle: c.HandleUpdate},
		{Method: "DELETE", Path: "/api/v1/address-book/{id}", Handle: c.HandleDelete},

		{Method: "POST", Path: "/api/v1/nfe/validate", MaxBody: invoice.MaxBody, Handle: n.HandleValidate},
		{Method: "GET", Path: "/api/v1/nfe/summary", Query: true, Handle: n.HandleSummary},
		{Method: "POST", Path: "/api/v1/nfe/import", MaxBody: nfexml.MaxSize, Handle: n.HandleImport},
		{Method: "POST", Path: "/api/v1/nfe/void-range", Role: token.Admin, Handle: n.HandleVoid},
		{Method: "GET", Path: "/api/v1/nfe", Query: true, Handle: n.HandleList},
		{Method: "POST", Path: "/api/v1/nfe", MaxBody: invoice.MaxBody, Handle: n.HandleCreate},
		{Method: "GET", Path: "/api/v1/nfe/{id}", Handle: n.HandleGet},
		{Method: "GET", Path: "/api/v1/nfe/{id}/xml", Handle: n.HandleXML},
		{Method: "GET", Path: "/api/v1/nfe/{id}/danfe.pdf", Handle: n.HandleDANFE},
		{Method: "PUT", Path: "/api/v1/nfe/{id}", MaxBody: invoice.MaxBody, Handle: n.HandleUpdate},
		{Method: "DELETE", Path: "/api/v1/nfe/{id}", Handle: n.HandleDelete},
		{Method: "POST", Path: "/api/v1/nfe/{id}/issue", Handle: n.HandleIssue},
		{Method: "POST", Path: "/api/v1/nfe/{id}/authorize", Handle: n.HandleAuthorize},
		{Method: "POST", Path: "/api/v1/nfe/{id}/reject", Handle: n.HandleReject},
		{Method: "POST", Path: "/api/v1/nfe/{id}/deny", Handle: n.HandleDeny},
		{Method: "POST", Path: "/api/v1/nfe/{id}/cancel", Role: token.Admin, Handle: n.HandleCancel},
	}
	return slices.Concat(all, f.catalogue.Emitters().Routes(), f.catalogue.Recipients().Routes(), f.catalogue.Products().Routes())
}

// jwksMaxAge is for how long the public keys may be kept. With the time between
// two looks at the key file it is less than the minute for which `backend keys
// rotate` waits, so whoever keeps them knows a key before it signs.
const jwksMaxAge = 30 * time.Second

// handleJWKS answers with the public keys of access tokens (RFC 7517 section 5).
func handleJWKS(keys *token.Keyring) web.Handler {
	return func(r *web.Request) error {
		return r.Document("application/jwk-set+json", jwksMaxAge, keys.JWKS())
	}
}

func handlePing(r *web.Request) error { return r.OK("pong", web.Nothing{}) }

// handleHealth answers in short: what is wrong in detail is for the ops
// listener only.
func handleHealth(probe *health.Checker) web.Handler {
	return func(r *web.Request) error {
		status, code := probe.Recent(r.Context()), 200
		if status == health.Unhealthy {
			code = 503
		}
		return r.JSON(code, struct {
			Status health.Status `json:"status"`
		}{status})
	}
}
