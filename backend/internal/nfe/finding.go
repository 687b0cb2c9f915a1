package nfe

// Finding is one thing that is wrong with a document.
type Finding struct {
	Path     string   `json:"path"` // JSON pointer (RFC 6901); "" is the document
	Rule     RuleID   `json:"rule"`
	Severity Severity `json:"severity"`
	Expected string   `json:"expected,omitzero"`
	Actual   string   `json:"actual,omitzero"`
	Code     string   `json:"code,omitzero"`    // the SEFAZ's rejection
	Message  string   `json:"message,omitzero"` // by [Localize]
}

// Blocked reports whether findings keep a document from being issued.
func Blocked(findings []Finding) bool {
	for i := range findings {
		if findings[i].Severity == Error {
			return true
		}
	}
	return false
}

// Unstorable returns the findings about values that their columns cannot hold, so
// that not even a draft can have them.
func Unstorable(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if rulesByID[f.Rule].Form {
			out = append(out, f)
		}
	}
	return out
}
