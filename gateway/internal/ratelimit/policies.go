package ratelimit

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/internal/limit"
)

//go:embed policies.json
var builtIn []byte

// Policies are the limits of the installation: by client address, and by plan
// for tenants and users. They never change; a changed file makes new ones.
type Policies struct {
	address   pairs
	plans     []*Plan
	byDefault *Plan
}

// Pair is what stands under one name: a limit that is enforced, and one beside
// it that is only counted. Either may be nil.
type Pair struct{ Enforced, Shadow *Policy }

// noLimit is written where none is wanted.
const noLimit = "none"

// limitText is a limit in the file, or none.
type limitText struct{ *limit.Limit }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *limitText) UnmarshalText(text []byte) error {
	if string(text) == noLimit {
		return nil
	}
	t.Limit = &limit.Limit{}
	return t.Limit.UnmarshalText(text)
}

// policyText is one policy in the file. What is not given stays as it is built
// in.
type policyText struct {
	Limit  *limitText `json:"limit,omitzero"`
	Shadow *limitText `json:"shadow,omitzero"`
}

func (t policyText) over(builtIn policyText) policyText {
	return policyText{Limit: cmp.Or(t.Limit, builtIn.Limit), Shadow: cmp.Or(t.Shadow, builtIn.Shadow)}
}

func (t policyText) pair(name string, strict bool) (p Pair) {
	if t.Limit != nil && t.Limit.Limit != nil {
		p.Enforced = NewPolicy(name, *t.Limit.Limit, PolicyOptions{Strict: strict})
	}
	if t.Shadow != nil && t.Shadow.Limit != nil {
		p.Shadow = NewPolicy(name, *t.Shadow.Limit, PolicyOptions{Shadow: true})
	}
	return p
}

type policiesText struct {
	Address map[string]policyText            `json:"address,omitzero"`
	Plans   map[string]map[string]policyText `json:"plans,omitzero"`
	// InFlight is a number for each plan, or none.
	InFlight map[string]numberText `json:"in_flight,omitzero"`
}

// numberText is a limit of requests in flight in the file, or none, which is 0.
type numberText int

// UnmarshalJSON implements json.Unmarshaler.
func (n *numberText) UnmarshalJSON(text []byte) error {
	if string(text) == `"`+noLimit+`"` {
		*n = 0
		return nil
	}
	number, err := strconv.Atoi(string(text))
	if err != nil || number < 1 || number > limit.MaxInFlight {
		return fmt.Errorf("a whole number from 1 to %d or %q is wanted", limit.MaxInFlight, noLimit)
	}
	*n = numberText(number)
	return nil
}

// BuiltIn returns the policies that are in force without a file.
func BuiltIn() (*Policies, error) { return ParsePolicies([]byte("{}")) }

// ParsePolicies reads a file of policies. What the file does not name is as
// built in. The error names the first mistake, or all names that are unknown.
func ParsePolicies(content []byte) (*Policies, error) {
	text, err := readPolicies(builtIn)
	if err != nil {
		return nil, err
	}
	given, err := readPolicies(content)
	if err != nil {
		return nil, err
	}
	for name, policy := range given.Address {
		text.Address[name] = policy.over(text.Address[name])
	}
	for plan, policies := range given.Plans {
		for name, policy := range policies {
			text.Plans[plan][name] = policy.over(text.Plans[plan][name])
		}
	}
	maps.Copy(text.InFlight, given.InFlight)
	p := &Policies{}
	for name, policy := range text.Address {
		// Whatever else is let through while Redis is away, guessing passwords is not.
		p.address = append(p.address, named{name, policy.pair(name, name == limit.Auth || name == limit.Refresh)})
	}
	for name, policies := range text.Plans {
		plan := &Plan{name: name, InFlight: int(text.InFlight[name])}
		for name, policy := range policies {
			plan.policies = append(plan.policies, named{name, policy.pair(name, false)})
		}
		p.plans = append(p.plans, plan)
	}
	p.byDefault = p.Plan(limit.DefaultPlan)
	return p, nil
}

func readPolicies(content []byte) (policiesText, error) {
	var text policiesText
	// Null would mean absent; it is rather a mistake of whoever writes the file.
	if err := refuseNull(content); err != nil {
		return text, err
	}
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
	for plan := range text.InFlight {
		if !slices.Contains(limit.Plans(), plan) {
			unknown = append(unknown, "in_flight."+plan)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return text, fmt.Errorf("not understood: %s", strings.Join(unknown, ", "))
	}
	return text, nil
}

// refuseNull finds the first null.
func refuseNull(content []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(content))
	for {
		switch token, err := d.ReadToken(); {
		case err != nil:
			return nil //nolint:nilerr // what is not JSON, or over, is for the decoding to tell
		case token.Kind() == 'n':
			return fmt.Errorf("%q: null is not what belongs here", d.StackPointer())
		}
	}
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
func (p *Policies) ByAddress(name string) Pair { return p.address.find(name) }

// Plan returns a plan. An unknown one is the default.
func (p *Policies) Plan(name string) *Plan {
	for _, plan := range p.plans {
		if plan.name == name {
			return plan
		}
	}
	return p.byDefault
}

// Plan is what the callers of a plan's tenants may do.
type Plan struct {
	name     string
	policies pairs
	// InFlight is how many requests of a tenant may be in flight; 0 is any number.
	InFlight int
}

// Policy returns what a name means in the plan.
func (p *Plan) Policy(name string) Pair { return p.policies.find(name) }

// pairs are policies by name. They are few, and looked up for each request.
type pairs []named

type named struct {
	name string
	pair Pair
}

func (list pairs) find(name string) Pair {
	for i := range list {
		if list[i].name == name {
			return list[i].pair
		}
	}
	return Pair{}
}
