package nfe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A mutation spoils a good document in one way, and has exactly the findings that
// it names: "rule path" or "rule path code".
type mutation struct {
	name   string
	of     func() *Document // sample when nil
	change func(*Document)
	want   []string
}

// mutations are all of them.
func mutations() []mutation {
	return slices.Concat(formMutations, headMutations, keyMutations, nfceMutations, partyMutations, placeMutations,
		itemMutations, taxMutations, totalMutations, paymentMutations, transportMutations, referenceMutations)
}

func found(findings []Finding) []string {
	var got []string
	for _, f := range findings {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Rule, f.Path, f.Code)))
	}
	return got
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			of := m.of
			if of == nil {
				of = sample
			}
			d := of()
			if before := found(Validate(d, options())); len(before) > 0 {
				t.Fatalf("before the change: %q", before)
			}
			m.change(d)
			if got := found(Validate(d, options())); !slices.Equal(got, m.want) {
				t.Errorf("got %q, want %q", got, m.want)
			}
		})
	}
}

// Every rule about documents is broken by a mutation, with every code that it has.
func TestEveryRuleIsBroken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutations() {
		for _, w := range m.want {
			f := strings.Fields(w)
			seen[f[0]] = true
			seen[f[0]+" "+f[len(f)-1]] = true
		}
	}
	elsewhere := []RuleID{"findings.more", "cnpj.letters", "protocol.form", "cancel.window", "void.order", "void.size", "numbering.kept"}
	for _, r := range Rules() {
		if slices.Contains(elsewhere, r.ID) {
			continue
		}
		if !seen[string(r.ID)] {
			t.Errorf("%s is broken by no mutation", r.ID)
		}
		for _, code := range r.Codes {
			if !seen[string(r.ID)+" "+code] {
				t.Errorf("%s has no mutation with code %s", r.ID, code)
			}
		}
	}
}

// Nothing is said about codes that rules do not list.
func TestFindingsHaveTheirRulesCodes(t *testing.T) {
	t.Parallel()
	for _, m := range mutations() {
		of := m.of
		if of == nil {
			of = sample
		}
		d := of()
		m.change(d)
		for _, f := range Validate(d, options()) {
			r := rulesByID[f.Rule]
			if f.Severity != r.Severity || f.Code != "" && !slices.Contains(r.Codes, f.Code) {
				t.Errorf("%s: %+v is not of its rule %+v", m.name, f, r)
			}
		}
	}
}
