package problem_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/goldentest"
	"gatehouse/internal/problem"
)

// body is what a client reads.
type body struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Instance  string  `json:"instance"`
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	RequestID string  `json:"request_id"`
	Errors    []field `json:"errors"`
}

type field struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func decode(t *testing.T, e *problem.Error, instance, requestID string) body {
	t.Helper()
	text := e.AppendJSON(nil, instance, requestID)
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	var b body
	if err := dec.Decode(&b); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if dec.More() || !utf8.Valid(text) {
		t.Fatalf("%q is not one JSON text", text)
	}
	return b
}

// TestEveryCodeIsRendered keeps the answer of each code, byte for byte.
func TestEveryCodeIsRendered(t *testing.T) {
	t.Parallel()
	var all []byte
	for _, code := range problem.Codes() {
		all = problem.New(code).AppendJSON(all, "/api/v1/address-book", "0123456789abcdef0123456789abcdef")
		all = append(all, '\n')
	}
	goldentest.Compare(t, "problems.jsonl", string(all))
}

func TestFindingsAreRenderedInOrder(t *testing.T) {
	t.Parallel()
	e := problem.New(problem.ValidationFailed)
	e.Detail = "Two fields are wrong."
	e.Fields = []problem.Field{
		{Name: "/phone", Code: "too_short", Message: "10 to 20 characters"},
		{Name: "/age", Code: "out_of_range", Message: "0 to 150"},
	}
	got := string(e.AppendJSON([]byte("before "), "/x", "r-1"))
	want := `before {"type":"urn:gatehouse:problem:validation_failed","title":"Validation failed","status":400,` +
		`"detail":"Two fields are wrong.","instance":"/x","code":"validation_failed","message":"Two fields are wrong.",` +
		`"request_id":"r-1","errors":[{"field":"/phone","code":"too_short","message":"10 to 20 characters"},` +
		`{"field":"/age","code":"out_of_range","message":"0 to 150"}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`","code":"ok`, `\`, `\"`, "\x00\x01\x1f\x7f", "line\r\nbreak", "tab\t", "</script>", "\u2028\u2029", "\U0001F600",
		"\xff\xfe", "half \xe2\x82", "\xed\xa0\x80", strings.Repeat(`"`, 5000),
	} {
		roundTrip(t, text, text, text, text)
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("The cursor is damaged.", "/api/v1/address-book", "0123456789abcdef", "/name")
	f.Add("", "", "", "")
	f.Add(`","status":200,"`, "/\x00\"\\", "\xff", "</script>\u2028")
	f.Fuzz(func(t *testing.T, detail, instance, requestID, name string) {
		roundTrip(t, detail, instance, requestID, name)
	})
}

// roundTrip renders foreign text at every place that takes some and reads it
// back: what was valid UTF-8 comes back as it was, all else as U+FFFD.
func roundTrip(t *testing.T, detail, instance, requestID, name string) {
	t.Helper()
	e := &problem.Error{
		Code: problem.ValidationFailed, Detail: detail,
		Fields: []problem.Field{{Name: name, Code: name, Message: detail}},
	}
	shown := clean(detail)
	if detail == "" {
		shown = problem.ValidationFailed.Detail()
	}
	want := body{
		Type: "urn:gatehouse:problem:validation_failed", Title: "Validation failed", Status: 400,
		Detail: shown, Instance: clean(instance), Code: "validation_failed", Message: shown, RequestID: clean(requestID),
		Errors: []field{{clean(name), clean(name), clean(detail)}},
	}
	if diff := cmp.Diff(want, decode(t, e, instance, requestID)); diff != "" {
		t.Errorf("the answer differs (-want +got):\n%s", diff)
	}
}

// clean replaces every byte that is not part of valid UTF-8.
func clean(s string) string { return string([]rune(s)) }

func TestTable(t *testing.T) {
	t.Parallel()
	goldentest.Compare(t, "table.md", problem.Table())
}
