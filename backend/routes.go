package backend

import (
	"gatehouse/backend/internal/auth"
	"gatehouse/backend/internal/contact"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/health"
)

// features are the services that answer requests.
type features struct {
	auth    *auth.Service
	contact *contact.Service
}

// routes lists every operation that the backend serves. It is the same set as
// that of api/openapi.yaml, with the same roles, which a test holds.
func routes(probe *health.Checker, f features) []web.Route {
	a, c := f.auth, f.contact
	return []web.Route{
		{Method: "GET", Path: "/health", Access: web.Public, Handle: handleHealth(probe)},
		{Method: "GET", Path: "/api/v1/health", Access: web.Public, Handle: handleHealth(probe)},
		{Method: "GET", Path: "/api/v1/ping", Access: web.Public, Handle: handlePing},

		{Method: "POST", Path: "/api/v1/auth/signup", Access: web.Public, Handle: a.HandleSignup},
		{Method: "POST", Path: "/api/v1/auth/login", Access: web.Public, Handle: a.HandleLogin},
		{Method: "POST", Path: "/api/v1/auth/refresh", Access: web.Public, Handle: a.HandleRefresh},
		{Method: "POST", Path: "/api/v1/auth/logout", Handle: a.HandleLogout},
		{Method: "GET", Path: "/api/v1/auth/me", Handle: a.HandleMe},

		{Method: "GET", Path: "/api/v1/address-book", Query: true, Handle: c.HandleList},
		{Method: "POST", Path: "/api/v1/address-book", Handle: c.HandleCreate},
		{Method: "GET", Path: "/api/v1/address-book/{id}", Handle: c.HandleGet},
		{Method: "PUT", Path: "/api/v1/address-book/{id}", Handle: c.HandleUpdate},
		{Method: "DELETE", Path: "/api/v1/address-book/{id}", Handle: c.HandleDelete},
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
