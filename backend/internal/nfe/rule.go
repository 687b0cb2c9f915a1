package nfe

import "slices"

// RuleID names a rule, such as cnpj.digit. It is stable: programs may depend on it.
type RuleID string

// Severity is how bad a finding is.
type Severity string

// An error keeps a document from being issued, a warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Rule is a rule that documents are held to.
type Rule struct {
	ID       RuleID
	Severity Severity
	// Codes are the SEFAZ's rejections that the rule foresees, as far as they are
	// known; which one depends on where the rule is broken.
	Codes []string
	// Form is set when what breaks the rule does not fit its column either, so that
	// not even a draft can hold it.
	Form                bool
	Portuguese, English string
}

// rules are all rules, in the order of the documentation.
var rules = slices.Concat(formRules, partyRules, headRules, referenceRules, itemRules, taxRules, totalRules, paymentRules,
	lifecycleRules)

var rulesByID = func() map[RuleID]*Rule {
	m := make(map[RuleID]*Rule, len(rules))
	for i := range rules {
		m[rules[i].ID] = &rules[i]
	}
	return m
}()

// Rules returns all rules in the order of the documentation.
func Rules() []Rule { return slices.Clone(rules) }
