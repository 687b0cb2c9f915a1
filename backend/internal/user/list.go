package user

import (
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// Sort orders of the lists.
const (
	byCreated  = "created_at"
	byUsername = "username"
)

// newestFirst is the default of the lists that are histories.
const newestFirst = "-" + byCreated

// Filter narrows the list of users; nil does not filter.
type Filter struct {
	Pattern *string // of LIKE, for the folded username or e-mail address
	Role    *string
	Active  *bool
}

// position is where a page ends: the last row's sort value and id.
type position struct {
	Created  time.Time `json:"c"`
	Username string    `json:"u,omitzero"` // empty before the first row
	ID       uuid.UUID `json:"i"`
}

// start is the position before the first row of a list.
func start(desc bool) position {
	if desc {
		return position{Created: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ID: uuid.Max}
	}
	return position{Created: time.Unix(0, 0).UTC(), ID: uuid.Nil}
}

func positionOf(u tenantdb.User) any {
	return position{Created: u.CreatedAt, Username: u.UsernameKey, ID: u.ID}
}

// Login is an attempt to sign in as clients see it.
type Login struct {
	ID        uuid.UUID `json:"id"`
	Outcome   string    `json:"outcome"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	CreatedAt web.Time  `json:"created_at"`
}

func viewLogin(e tenantdb.LoginEvent) Login {
	return Login{e.ID, e.Outcome, e.IP, e.UserAgent, web.Time{Time: e.CreatedAt}}
}

func positionOfLogin(e tenantdb.LoginEvent) any { return position{Created: e.CreatedAt, ID: e.ID} }
