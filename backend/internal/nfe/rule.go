package nfe

// RuleID names a rule, such as cnpj.digit. It is stable: programs may depend on it.
type RuleID string
