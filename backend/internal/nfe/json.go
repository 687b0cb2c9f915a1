package nfe

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// Decode reads a document from JSON. It looks at shape only: unknown and repeated
// members, members of another type, invalid UTF-8 and trailing data are errors,
// with the JSON pointer of the first (json.SemanticError, jsontext.SyntacticError).
// Null is as absent. What the values are worth is for the rules to say.
func Decode(body []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(body, &d, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("decode document: %w", err)
	}
	return &d, nil
}

// AppendJSON appends the document to dst. Absent members are left out.
func (d *Document) AppendJSON(dst []byte) ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return dst, fmt.Errorf("encode document: %w", err)
	}
	return append(dst, text...), nil
}
