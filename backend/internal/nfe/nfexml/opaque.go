package nfexml

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// kept is how an element is kept in JSON.
type kept struct {
	XML string `json:"xml"`
}

func wrap(source string) jsontext.Value {
	text, err := json.Marshal(kept{source})
	if err != nil {
		return nil // only of what is not UTF-8, which was looked at
	}
	return text
}

// unwrap returns the element in a JSON object, or nothing: clients may have put
// something else there.
func unwrap(value jsontext.Value) string {
	var k kept
	if len(value) == 0 || json.Unmarshal(value, &k, json.RejectUnknownMembers(true)) != nil {
		return ""
	}
	return k.XML
}

// isElement reports whether a text is one well-formed element with a name, and
// nothing else: a client might have it break out of the place where it is written.
func isElement(source, name string) bool {
	if !strings.HasPrefix(source, "<") || !strings.HasSuffix(source, ">") {
		return false
	}
	decoder := xml.NewDecoder(strings.NewReader(source))
	depth, elements := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return errors.Is(err, io.EOF) && depth == 0 && elements == 1
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				if elements++; token.Name.Local != name {
					return false
				}
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive, xml.ProcInst:
			return false
		}
	}
}
