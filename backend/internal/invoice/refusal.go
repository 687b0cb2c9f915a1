package invoice

import (
	"errors"

	"gatehouse/backend/internal/nfe"
	"gatehouse/internal/problem"
)

// sentences say why a state does not allow a step.
var sentences = map[nfe.State]string{
	nfe.StateDraft:      "The document has not been issued.",
	nfe.StateIssued:     "The document has been issued and waits for an outcome.",
	nfe.StateAuthorized: "The document is authorized.",
	nfe.StateCancelled:  "The document is cancelled.",
	nfe.StateDenied:     "The document is denied.",
}

// refused turns what the rules refuse into a problem, in the language of an
// Accept-Language header.
func refused(err error, language string) error {
	var state *nfe.StateError
	var rules *nfe.RefusedError
	switch {
	case errors.As(err, &state):
		p := problem.New(problem.InvalidState)
		p.Detail = sentences[state.State]
		if state.State == nfe.StateDraft && state.Transition == nfe.ToDelete {
			p.Detail = "The document has a number, which must not be lost."
		}
		return p
	case errors.As(err, &rules):
		var errs []nfe.Finding
		for _, f := range rules.Findings {
			if f.Severity == nfe.Error {
				errs = append(errs, f)
			}
		}
		return &problem.Error{Code: problem.NfeInvalid, Fields: fieldsOf(errs, language)}
	}
	return err
}

// malformed returns what is wrong with what a client gave for a step, whatever the
// state of the document: values that are missing or have another form.
func malformed(err error, language string) error {
	var rules *nfe.RefusedError
	if !errors.As(err, &rules) {
		return err
	}
	var fields []nfe.Finding
	for _, f := range rules.Findings {
		if f.Rule == "required" || len(nfe.Unstorable([]nfe.Finding{f})) > 0 {
			fields = append(fields, f)
		}
	}
	if fields == nil {
		return nil
	}
	return &problem.Error{Code: problem.ValidationFailed, Fields: fieldsOf(fields, language)}
}
