// Package tenant is what operators do with tenants: make, change, suspend,
// resume and delete them, and see whether their databases answer.
//
// It works as gh_maint, the only role that may change the control plane. A
// change, the check of the operator's session and the audit entry are one
// transaction of the main database. What has to happen in a dedicated database
// too happens in a second transaction there; see the methods of [Service] for
// their order and for what a repeat does.
package tenant

import (
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
)

// Service keeps the tenants.
type Service struct {
	// Maint is the main database as gh_maint.
	Maint     *pg.DB
	Directory *placement.Directory
	Announcer *announce.Announcer
	Prober    *Prober
	Log       *slog.Logger
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string

	control controldb.Queries
	queries tenantdb.Queries
	// turns bounds how many dedicated databases are prepared or told of a change at
	// once: each keeps one of Maint's few connections meanwhile.
	turns *semaphore.Weighted
}

// maxTurns is how many dedicated databases are worked on at once, half as many
// as Maint has connections.
const maxTurns = 4

// New returns a service with the exported fields of s.
func New(s Service) *Service {
	s.turns = semaphore.NewWeighted(maxTurns)
	return &s
}

// States of a tenant.
const (
	active    = "active"
	suspended = "suspended"
	moving    = "moving"
	deleted   = "deleted"
)

// Placements.
const (
	shared    = "shared"
	dedicated = "dedicated"
)

var (
	placements   = []string{shared, dedicated}
	statuses     = []string{active, suspended, moving, deleted}
	plans        = limit.Plans()
	signups      = []string{"closed", "invite", "open"}
	sessionModes = []string{"multi", "single"}
)

// Creation is the body that makes a tenant.
type Creation struct {
	ID          string         `json:"id,omitzero"` // a new UUID when empty
	Name        string         `json:"name"`
	DatabaseURL *config.Secret `json:"db_url,omitzero"`
	Placement   *string        `json:"placement,omitzero"` // by default what DatabaseURL implies
	Plan        *string        `json:"plan,omitzero"`
	Signup      *string        `json:"signup,omitzero"`
	SessionMode *string        `json:"session_mode,omitzero"`
}

// check holds the body against its bounds, fills in what is absent, and returns
// the connection string of a dedicated tenant.
func (in *Creation) check() (*url.URL, error) {
	var c field.Checker
	if in.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		in.ID = id.String()
	}
	c.TenantID("/id", in.ID)
	checkName(&c, &in.Name)
	implied := shared
	if in.DatabaseURL != nil {
		implied = dedicated
	}
	choose(&c, "/placement", &in.Placement, placements, implied)
	choose(&c, "/plan", &in.Plan, plans, limit.DefaultPlan)
	choose(&c, "/signup", &in.Signup, signups, "closed")
	choose(&c, "/session_mode", &in.SessionMode, sessionModes, "multi")
	var u *url.URL
	switch {
	case in.DatabaseURL == nil && *in.Placement == dedicated:
		c.Add("/db_url", "required", "is required for the placement dedicated")
	case in.DatabaseURL != nil && *in.Placement == shared:
		c.Add("/db_url", "invalid_value", "must be absent with the placement shared")
	case in.DatabaseURL != nil:
		u = checkURL(&c, *in.DatabaseURL)
	}
	return u, c.Err()
}

// Changes is the body that changes a tenant. What is absent stays.
type Changes struct {
	Name        *string        `json:"name,omitzero"`
	DatabaseURL *config.Secret `json:"db_url,omitzero"`
	Placement   *string        `json:"placement,omitzero"` // only the present one
	Plan        *string        `json:"plan,omitzero"`
	Signup      *string        `json:"signup,omitzero"`
	SessionMode *string        `json:"session_mode,omitzero"`
}

func (in *Changes) check() (*url.URL, error) {
	var c field.Checker
	if *in == (Changes{}) {
		c.Add("", "required", "must have at least one field")
	}
	if in.Name != nil {
		checkName(&c, in.Name)
	}
	choose(&c, "/placement", &in.Placement, placements, "")
	choose(&c, "/plan", &in.Plan, plans, "")
	choose(&c, "/signup", &in.Signup, signups, "")
	choose(&c, "/session_mode", &in.SessionMode, sessionModes, "")
	var u *url.URL
	if in.DatabaseURL != nil {
		u = checkURL(&c, *in.DatabaseURL)
	}
	return u, c.Err()
}

// maxNameKey bounds the folded name in bytes, for its index: compatibility
// forms can unfold to many times their length. Every name of 255 code points
// without such forms fits.
const maxNameKey = 1020

func checkName(c *field.Checker, name *string) {
	if c.Line("/name", name, 1, 255) && len(field.Fold(*name)) > maxNameKey {
		c.Add("/name", "too_long", "must have at most %d bytes in its folded form", maxNameKey)
	}
}

// choose checks that a value, if it is given, is one of the words. An absent
// one becomes the implied word, if there is one.
func choose(c *field.Checker, pointer string, value **string, words []string, implied string) {
	switch {
	case *value == nil && implied != "":
		*value = &implied
	case *value != nil && !slices.Contains(words, **value):
		c.Add(pointer, "invalid_value", "must be one of %s", strings.Join(words, ", "))
	}
}

func checkURL(c *field.Checker, secret config.Secret) *url.URL {
	u, err := placement.ParseURL(secret.Reveal())
	if err != nil {
		c.Add("/db_url", "invalid_format", "%v", err)
	}
	return u
}

// Tenant is a tenant as operators see it.
type Tenant struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Placement   string   `json:"placement"`
	Status      string   `json:"status"`
	Plan        string   `json:"plan"`
	Signup      string   `json:"signup"`
	SessionMode string   `json:"session_mode"`
	CreatedAt   web.Time `json:"created_at"`
	UpdatedAt   web.Time `json:"updated_at"`
}

func view(t controldb.Tenant) Tenant {
	return Tenant{t.ID, t.Name, t.Placement, t.Status, t.Plan, t.Signup, t.SessionMode, web.Time{Time: t.CreatedAt}, web.Time{Time: t.UpdatedAt}}
}

func answer(status int, t controldb.Tenant) web.Answer {
	return web.Answer{Status: status, Message: "ok", Data: view(t), ETag: web.ETag(t.Version)}
}

// changeable refuses changes of a tenant that is deleted or on its way to
// another database.
func changeable(t controldb.Tenant) error {
	switch t.Status {
	case deleted:
		return problem.Newf(problem.InvalidState, "The tenant is deleted.")
	case moving:
		return problem.New(problem.TenantMoving)
	}
	return nil
}

// matches holds a version against If-Match.
func matches(versions []int64, t controldb.Tenant) error {
	if versions != nil && !slices.Contains(versions, t.Version) {
		return problem.New(problem.PreconditionFailed)
	}
	return nil
}

// databaseProblem says what is wrong with a db_url. Nothing of what the driver
// says is in it.
func databaseProblem(err error) error {
	finding := func(code, message string) error {
		return &problem.Error{Code: problem.ValidationFailed, Fields: []problem.Field{{Name: "/db_url", Code: code, Message: message}}}
	}
	switch {
	case errors.Is(err, pg.ErrUsed):
		return errTaken
	case errors.Is(err, pg.ErrOther):
		return problem.Newf(problem.Conflict, "The connection string leads to another database than the one with the tenant's data.")
	case errors.Is(err, pg.ErrForbidden):
		return finding("forbidden", "must not lead to a loopback, link-local or cloud metadata address")
	case errors.Is(err, pg.ErrMainServer):
		return finding("unsuitable", "must be on another server than the main database: its owner could read every tenant there")
	case errors.Is(err, pg.ErrUnsuitable):
		return finding("unsuitable", "must lead to PostgreSQL 15 or newer with the encoding UTF8, as a role that owns the database and may create roles")
	case errors.Is(err, pg.ErrUnreachable) && pg.FaultOf(err) == pg.Refused:
		return finding("unreachable", "cannot be reached: the server refuses this user, password or database")
	case errors.Is(err, pg.ErrUnreachable):
		return finding("unreachable", "cannot be reached, or does not answer in time")
	}
	return err
}

var errNotFound = problem.Newf(problem.NotFound, "Tenant not found")

var errTaken = problem.Newf(problem.Conflict, "The database is used by another tenant already.")
