package ratelimit

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"gatehouse/internal/limit"
)

//go:embed policies.json
var builtIn []byte

// Policies are the limits of the installation: by client address, and by plan
// for tenants and users. They never change; a changed file makes new ones.
type Policies struct {
	address map[string]Pair
	plans   map[string]map[string]Pair
}

// Pair is what stands under one name: a limit that is enforced, and one beside
// it that is only counted. Either may be nil.
type Pair struct{ Enforced, Shadow *Policy }

// policyText is one policy in the file.
type policyText struct {
	Limit  *limit.Limit `json:"limit,omitzero"`
	Shadow *limit.Limit `json:"shadow,omitzero"`
}

func (t policyText) pair(name string, strict bool) (p Pair) {
	if t.Limit != nil {
		p.Enforced = NewPolicy(name, *t.Limit, PolicyOptions{Strict: strict})
	}
	if t.Shadow != nil {
		p.Shadow = NewPolicy(name, *t.Shadow, PolicyOptions{Shadow: true})
	}
	return p
}

type policiesText struct {
	Address map[string]policyText            `json:"address,omitzero"`
	Plans   map[string]map[string]policyText `json:"plans,omitzero"`
}

// ParsePolicies reads a file of policies. A policy that the file does not name
// is the built-in one; an empty file changes nothing. The error names the first
// mistake, or all names that are unknown.
func ParsePolicies(content []byte) (*Policies, error) {
	text, err := readPolicies(builtIn)
	if err != nil {
		return nil, err
	}
	if len(content) > 0 {
		given, err := readPolicies(content)
		if err != nil {
			return nil, err
		}
		maps.Copy(text.Address, given.Address)
		for plan, policies := range given.Plans {
			maps.Copy(text.Plans[plan], policies)
		}
	}
	p := &Policies{address: map[string]Pair{}, plans: map[string]map[string]Pair{}}
	for name, policy := range text.Address {
		// Whatever else is let through while Redis is away, guessing passwords is not.
		p.address[name] = policy.pair(name, name == limit.Auth || name == limit.Refresh)
	}
	for plan, policies := range text.Plans {
		p.plans[plan] = map[string]Pair{}
		for name, policy := range policies {
			p.plans[plan][name] = policy.pair(name, false)
		}
	}
	return p, nil
}

func readPolicies(content []byte) (policiesText, error) {
	var text policiesText
	if err := json.Unmarshal(content, &text, json.RejectUnknownMembers(true)); err != nil {
		return text, plain(err)
	}
	var unknown []string
	check := func(where string, policies map[string]policyText, known []string) {
		for name, policy := range policies {
			if !slices.Contains(known, name) {
				unknown = append(unknown, where+"."+name)
			} else if policy.Limit == nil && policy.Shadow == nil {
				unknown = append(unknown, where+"."+name+" without a limit")
			}
		}
	}
	check("address", text.Address, limit.AddressPolicies())
	for plan, policies := range text.Plans {
		if !slices.Contains(limit.Plans(), plan) {
			unknown = append(unknown, "plans."+plan)
			continue
		}
		check("plans."+plan, policies, limit.CallerPolicies())
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return text, fmt.Errorf("not understood: %s", strings.Join(unknown, ", "))
	}
	return text, nil
}

// plain says where in the file a mistake is, and what it is, in one line.
func plain(err error) error {
	var semantic *json.SemanticError
	switch {
	case !errors.As(err, &semantic):
		return err
	case semantic.Err != nil:
		return fmt.Errorf("%s: %w", semantic.JSONPointer, semantic.Err)
	}
	return fmt.Errorf("%q: a JSON %v is not what belongs here", semantic.JSONPointer, semantic.JSONKind)
}

// ByAddress returns what a name means for client addresses.
func (p *Policies) ByAddress(name string) Pair { return p.address[name] }

// ByPlan returns what a name means in a plan. An unknown plan is the default
// one.
func (p *Policies) ByPlan(plan, name string) Pair {
	policies, ok := p.plans[plan]
	if !ok {
		policies = p.plans[limit.DefaultPlan]
	}
	return policies[name]
}
