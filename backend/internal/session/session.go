// Package session lets users see and end their sessions, and admins those of
// their tenant's users.
package session

import (
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Service lists and ends sessions.
type Service struct {
	Directory *placement.Directory
	Announcer *announce.Announcer

	queries tenantdb.Queries
}

// Session is a live session as clients see it.
type Session struct {
	ID            uuid.UUID `json:"id"`
	CreatedAt     web.Time  `json:"created_at"`
	LastRefreshAt web.Time  `json:"last_refresh_at"`
	ExpiresAt     web.Time  `json:"expires_at"`
	IP            string    `json:"ip"`
	UserAgent     string    `json:"user_agent"`
	// Current is the session that asks.
	Current bool `json:"current"`
}

// view returns how a caller sees sessions.
func view(c token.Claims) func(tenantdb.Session) Session {
	return func(s tenantdb.Session) Session {
		return Session{
			s.ID, web.Time{Time: s.CreatedAt}, web.Time{Time: s.LastRefreshAt}, web.Time{Time: s.ExpiresAt},
			s.IP, s.UserAgent, s.ID == c.Session,
		}
	}
}

// Reasons that a session keeps for having ended.
const (
	reasonLogout    = "logout"
	reasonLogoutAll = "logout_all"
	reasonAdmin     = "admin"
)

// mayManage refuses whoever asks for another user's sessions without being an
// admin, whether there is such a user or not.
func mayManage(c token.Claims, user uuid.UUID) error {
	if c.UserID != user && !c.Role.Satisfies(token.Admin) {
		return problem.New(problem.Forbidden)
	}
	return nil
}

// byCreated is the order of the list, newest first.
const byCreated = "-created_at"

// position is where a page of a user's sessions ends.
type position struct {
	User    uuid.UUID `json:"u"`
	Created time.Time `json:"c"`
	ID      uuid.UUID `json:"i"`
}

// start is the position before the first row of a list.
func start(user uuid.UUID, desc bool) position {
	if desc {
		return position{user, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), uuid.Max}
	}
	return position{user, time.Unix(0, 0).UTC(), uuid.Nil}
}

func positionOf(s tenantdb.Session) any { return position{s.UserID, s.CreatedAt, s.ID} }
