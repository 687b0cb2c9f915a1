package web

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/internal/problem"
)

type place struct {
	City string `json:"city,omitzero"`
}

type loose struct {
	place
	Name   string         `json:"name,omitzero"`
	Number int            `json:"number,omitzero"`
	Home   *place         `json:"home,omitzero"`
	Others []loose        `json:"others,omitzero"`
	Words  []string       `json:"words,omitzero"`
	Opaque jsontext.Value `json:"opaque,omitzero"`
}

func TestDecodeSparse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want string }{
		{`{}`, ""},
		{`{"name":null,"home":null,"others":null,"city":"x","opaque":{"a":[1]}}`, ""},
		{`{"others":[null,{"home":{"city":"x"}}]}`, ""},
		{`[]`, "validation_failed  invalid_type"},
		{`null`, "validation_failed  invalid_type"},
		{``, "invalid_json"},
		{`{"name":1`, "invalid_json"},
		{`{"name":1,"name":2}`, "invalid_json /name duplicate_field"},
		{`{"name":1,"others":[{"x":1,"x":2}]}`, "invalid_json /others/0/x duplicate_field"},
		{`{"name":7,"number":"7","city":[],"z":1,"a/b":2}`,
			"validation_failed /city invalid_type /name invalid_type /number invalid_type /a~1b unknown_field /z unknown_field"},
		{`{"home":[],"others":{},"words":[1]}`, "validation_failed /home invalid_type /others invalid_type /words invalid_type"},
		{`{"others":[{"number":1.5,"home":{"x":1}},7,{"others":[{"y":1}]}]}`,
			"validation_failed /others/0/number invalid_type /others/0/home/x unknown_field /others/1 invalid_type /others/2/others/0/y unknown_field"},
	} {
		var dst loose
		err := decodeSparse([]byte(tc.body), &dst)
		var got string
		var p *problem.Error
		if errors.As(err, &p) {
			got = string(p.Code)
			for _, f := range p.Fields {
				got += " " + f.Name + " " + f.Code
			}
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.body, got, tc.want)
		}
	}
	var dst loose
	err := decodeSparse([]byte(`{"others":[`+strings.Repeat(`{"x":1},`, 100)+`{}]}`), &dst)
	if p := problem.From(err); len(p.Fields) != maxFindings {
		t.Errorf("got %d findings", len(p.Fields))
	}
}

// Whatever is refused is told with a reason.
func FuzzDecodeSparse(f *testing.F) {
	f.Add(`{"name":"a","others":[{"number":1}]}`)
	f.Add(`{"name":7,"home":{"x":1}}`)
	f.Add(`{"others":[{"others":[{"x":1}]},null]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var got, want loose
		err := decodeSparse([]byte(body), &got)
		strict := json.Unmarshal([]byte(body), &want, json.RejectUnknownMembers(true))
		if err == nil {
			if strict != nil {
				t.Errorf("taken, although %v", strict)
			}
			return
		}
		if p := problem.From(err); p.Code != problem.InvalidJSON && (p.Code != problem.ValidationFailed || len(p.Fields) == 0) {
			t.Errorf("got %v", err)
		}
	})
}
