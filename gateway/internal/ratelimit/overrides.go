package ratelimit

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/limit"
)

// Overrides turns what was agreed on with tenants into policies, once for each
// state of a tenant. It is safe for concurrent use, and requests share no lock.
type Overrides struct {
	states sync.Map // *limit.Tenant -> *agreed

	mu     sync.Mutex
	latest map[string]*limit.Tenant // by id; a later state with overrides takes its place
}

// agreed are the overrides of a tenant.
type agreed map[subject]*Agreement

// subject is what an override is for; the nil UUID is all users.
type subject struct {
	user   uuid.UUID
	policy string
	shadow bool
}

// Agreement is an override and the policy that it makes.
type Agreement struct {
	*limit.Override
	Policy *Policy
}

// Find returns the override that applies to a user, of those that are enforced
// or of those in shadow, or nil. One for the user wins over one for the tenant.
// The nil UUID is a user for whom nothing is agreed on.
func (o *Overrides) Find(t *limit.Tenant, user uuid.UUID, policy string, shadow bool, now time.Time) *Agreement {
	if t == nil || len(t.Overrides) == 0 {
		return nil
	}
	agreed := o.of(t)
	for _, user := range [...]uuid.UUID{user, uuid.Nil} {
		if a := agreed[subject{user, policy, shadow}]; a != nil && a.InForce(now) {
			return a
		}
	}
	return nil
}

func (o *Overrides) of(t *limit.Tenant) agreed {
	if known, ok := o.states.Load(t); ok {
		return known.(agreed)
	}
	made := agreed{}
	for i := range t.Overrides {
		o := &t.Overrides[i]
		made[subject{o.User, o.Policy, o.Shadow}] = &Agreement{o, NewPolicy(o.Policy, o.Limit, PolicyOptions{Shadow: o.Shadow})}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.latest == nil {
		o.latest = map[string]*limit.Tenant{}
	}
	if former := o.latest[t.ID]; former != nil && former.Version > t.Version {
		return made // a request that still works with the former state
	} else if former != nil {
		o.states.Delete(former)
	}
	o.latest[t.ID] = t
	o.states.Store(t, made)
	return made
}
