// Package override is what operators have agreed on with a tenant: limits, for
// all of its users or for one, that replace those of its plan. The gateways
// enforce them; package announce tells them.
package override

import (
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/limit"
)

// Service keeps the overrides.
type Service struct {
	// Maint is the main database as gh_maint.
	Maint     *pg.DB
	Announcer *announce.Announcer
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Now        func() time.Time
	Log        *slog.Logger

	control controldb.Queries
}

// maxOverrides is how many a tenant may have.
const maxOverrides = 200

// Change is the body that replaces all overrides of a tenant.
type Change struct {
	Overrides []Agreement `json:"overrides"`
}

// Agreement is one override as an operator gives it.
type Agreement struct {
	Policy    string  `json:"policy"`
	UserID    *string `json:"user_id,omitzero" null:"absent"` // nil: all users
	Requests  int64   `json:"requests"`
	Period    int64   `json:"period"`         // seconds
	Burst     *int64  `json:"burst,omitzero"` // nil: that of limit.DefaultBurst
	Shadow    bool    `json:"shadow,omitzero"`
	Owner     *string `json:"owner,omitzero"` // nil: who sets it
	Reason    string  `json:"reason"`
	ExpiresAt *string `json:"expires_at,omitzero" null:"absent"` // nil: never
}

// momentForm leaves out what the parser also takes, such as a decimal comma.
var momentForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z$`)

func pointer(i int) string { return "/overrides/" + strconv.Itoa(i) }

// check holds the body against its bounds and returns the rows to be stored.
// Owner is who answers for what names nobody.
func (in *Change) check(tenant, owner string, now time.Time) ([]controldb.AddOverrideParams, error) {
	var c field.Checker
	if n := len(in.Overrides); n > maxOverrides {
		c.Add("/overrides", "too_many", "must have at most %d elements, has %d", maxOverrides, n)
		return nil, c.Err()
	}
	type subject struct {
		policy string
		user   uuid.UUID
		shadow bool
	}
	first := map[subject]int{}
	rows := make([]controldb.AddOverrideParams, len(in.Overrides))
	for i, a := range in.Overrides {
		if c.Full() {
			break
		}
		at := pointer(i)
		rows[i] = a.check(&c, at, owner, now)
		rows[i].TenantID = tenant
		s := subject{policy: rows[i].Policy, shadow: a.Shadow}
		if rows[i].UserID != nil {
			s.user = *rows[i].UserID
		}
		if earlier, ok := first[s]; ok {
			c.Add(at, "repeated", "is for the same policy and user as %s, and both are enforced or in shadow", pointer(earlier))
			continue
		}
		first[s] = i
	}
	return rows, c.Err()
}

func (a *Agreement) check(c *field.Checker, at, owner string, now time.Time) controldb.AddOverrideParams {
	policies := limit.OverridePolicies()
	if !slices.Contains(policies, a.Policy) {
		c.Add(at+"/policy", "invalid_value", "must be one of %s", strings.Join(policies, ", "))
	}
	l := a.limit(c, at)
	if a.Owner == nil {
		a.Owner = &owner
	}
	if a.Policy == limit.InFlight && a.Shadow {
		c.Add(at+"/shadow", "invalid_value", "must be false with the policy %s, which has no shadow", limit.InFlight)
	}
	c.Line(at+"/owner", a.Owner, 1, 255)
	c.Line(at+"/reason", &a.Reason, 1, 1000)
	return controldb.AddOverrideParams{
		Policy: a.Policy, UserID: a.user(c, at+"/user_id"),
		Requests: int32(l.Requests), PeriodSeconds: int32(l.Period / time.Second), Burst: int64(l.Burst),
		Shadow: a.Shadow, Owner: *a.Owner, Reason: a.Reason, ExpiresAt: a.expiry(c, at+"/expires_at", now),
	}
}

// limit checks the numbers, of which each is named that is wrong by itself.
func (a *Agreement) limit(c *field.Checker, at string) limit.Limit {
	if a.Policy == limit.InFlight {
		return a.inFlight(c, at)
	}
	// A period of years would not fit a duration.
	period := time.Duration(min(max(a.Period, 0), int64(limit.MaxPeriod/time.Second)+1)) * time.Second
	l := limit.Limit{Requests: int(a.Requests), Period: period, Burst: limit.DefaultBurst(int(a.Requests), period)}
	if a.Burst != nil {
		l.Burst = int(*a.Burst)
	}
	part, reason := l.Check()
	if part == limit.Period {
		reason = "must be from 1 to 86400 seconds"
	}
	if part != "" {
		c.Add(at+"/"+string(part), "out_of_range", "%s", reason)
	}
	if part == limit.Period && l.Requests < 1 {
		c.Add(at+"/"+string(limit.Requests), "out_of_range", "must be at least 1")
	}
	if (part == limit.Period || part == limit.Requests) && l.Burst < 1 {
		c.Add(at+"/"+string(limit.Burst), "out_of_range", "must be at least 1")
	}
	return l
}

// inFlight checks a whole number. A period and a burst that would mean a rate are
// refused, so that nobody believes in one.
func (a *Agreement) inFlight(c *field.Checker, at string) limit.Limit {
	if a.Requests < 1 || a.Requests > limit.MaxInFlight {
		c.Add(at+"/requests", "out_of_range", "must be from 1 to %d requests in flight", limit.MaxInFlight)
	}
	if a.Period != 1 {
		c.Add(at+"/period", "invalid_value", "must be 1 with the policy %s, which is no rate", limit.InFlight)
	}
	if a.Burst != nil && *a.Burst != a.Requests {
		c.Add(at+"/burst", "invalid_value", "must be absent with the policy %s, which is no rate", limit.InFlight)
	}
	return limit.InFlightLimit(int(min(max(a.Requests, 1), limit.MaxInFlight)))
}

// user reads who the override is for. The nil UUID is nobody's.
func (a *Agreement) user(c *field.Checker, at string) *uuid.UUID {
	if a.UserID == nil {
		return nil
	}
	id, err := uuid.Parse(*a.UserID)
	switch {
	case err != nil || len(*a.UserID) != 36 || id == uuid.Nil:
		c.Add(at, "invalid_format", "must be the UUID of a user")
	case a.Policy == limit.PerTenant || a.Policy == limit.InFlight:
		c.Add(at, "invalid_value", "must be absent with the policy %s, which counts all users together", a.Policy)
	}
	return &id
}

// expiry reads when the override ends, to the millisecond.
func (a *Agreement) expiry(c *field.Checker, at string, now time.Time) *time.Time {
	if a.ExpiresAt == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *a.ExpiresAt)
	t = t.Truncate(time.Millisecond)
	switch {
	case err != nil || !momentForm.MatchString(*a.ExpiresAt):
		c.Add(at, "invalid_format", "must be a moment in UTC such as 2026-11-22T09:30:00Z (RFC 3339)")
	case !t.After(now):
		c.Add(at, "out_of_range", "must be in the future")
	}
	return &t
}

// Override is an override as operators see it.
type Override struct {
	Policy    string     `json:"policy"`
	UserID    *uuid.UUID `json:"user_id"`
	Requests  int32      `json:"requests"`
	Period    int32      `json:"period"` // seconds
	Burst     int64      `json:"burst"`
	Shadow    bool       `json:"shadow"`
	Owner     string     `json:"owner"`
	Reason    string     `json:"reason"`
	ExpiresAt *web.Time  `json:"expires_at"`
}

// Limits are what is agreed on with a tenant, and the plan that applies besides.
type Limits struct {
	TenantID  string     `json:"tenant_id"`
	Plan      string     `json:"plan"`
	Overrides []Override `json:"overrides"`
}

// agreed is what is stored for a tenant.
type agreed struct {
	tenant controldb.Tenant
	rows   []controldb.Override
}

func (a agreed) answer() web.Answer {
	l := Limits{TenantID: a.tenant.ID, Plan: a.tenant.Plan, Overrides: make([]Override, 0, len(a.rows))}
	for _, row := range a.rows {
		o := Override{row.Policy, row.UserID, row.Requests, row.PeriodSeconds, row.Burst, row.Shadow, row.Owner, row.Reason, nil}
		if row.ExpiresAt != nil {
			o.ExpiresAt = &web.Time{Time: *row.ExpiresAt}
		}
		l.Overrides = append(l.Overrides, o)
	}
	return web.Answer{Message: "ok", Data: l, ETag: web.ETag(a.tenant.Version)}
}
