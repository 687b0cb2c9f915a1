package limit

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// Override replaces a policy for one tenant, or for one of its users.
type Override struct {
	Policy string    `json:"policy"`           // one of OverridePolicies
	User   uuid.UUID `json:"user_id,omitzero"` // nil: every user of the tenant
	Limit  Limit     `json:"limit"`
	// Shadow counts the limit and does not enforce it.
	Shadow bool `json:"shadow,omitzero"`
	// Owner and Reason say who answers for the override, and why it is there.
	Owner  string `json:"owner"`
	Reason string `json:"reason"`
	// ExpiresAt is when the plan's limit applies again; zero is never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// InForce reports whether the override applies at a time.
func (o *Override) InForce(now time.Time) bool {
	return o.ExpiresAt.IsZero() || now.Before(o.ExpiresAt)
}

// Tenant is what the edge must know of a tenant. A greater version replaces a
// lesser one.
type Tenant struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Status    string     `json:"status"`
	Plan      string     `json:"plan"`
	Overrides []Override `json:"overrides,omitempty"`
}

// Refused reports that nobody of the tenant is let in, whatever their tokens say.
func (t *Tenant) Refused() bool { return t.Status == "suspended" || t.Status == "deleted" }

// ParseTenant reads the JSON form of a tenant. It refuses what this version does
// not know, such as a policy of a newer one, so that nothing is enforced by
// halves.
func ParseTenant(text []byte) (Tenant, error) {
	var t Tenant
	if err := json.Unmarshal(text, &t, json.RejectUnknownMembers(true)); err != nil {
		return Tenant{}, err
	}
	switch {
	case t.ID == "" || t.Version < 1:
		return Tenant{}, textError("the tenant has no id or no version")
	case !slices.Contains(plans, t.Plan):
		return Tenant{}, textError("the plan is unknown")
	}
	for _, o := range t.Overrides {
		switch {
		case o.Policy == InFlight:
			if o.User != uuid.Nil || o.Shadow || o.Limit != InFlightLimit(o.Limit.Requests) {
				return Tenant{}, textError("the override of requests in flight is not a number for the whole tenant")
			}
		case !slices.Contains(callers, o.Policy):
			return Tenant{}, textError("the policy of an override is unknown")
		}
	}
	return t, nil
}

// JSON returns the form that ParseTenant reads.
func (t *Tenant) JSON() ([]byte, error) { return json.Marshal(t, json.Deterministic(true)) }
