package web

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/internal/problem"
)

type sample struct {
	Name string `json:"name"`
	Age  int32  `json:"age"`
	Nick string `json:"nick,omitzero"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want string }{
		{`{"name":"a","age":1}`, ""},
		{` {"age":1,"name":"a","nick":"b"} `, ""},
		{`{"name":"a","age":1,"nick":null}`, "validation_failed /nick invalid_type"},
		{`{"name":"a"}`, "validation_failed /age required"},
		{`{"name":"a","age":1,"Name":"b"}`, "validation_failed /Name unknown_field"},
		{`{"name":"a","age":1,"a/b~c":1}`, "validation_failed /a~1b~0c unknown_field"},
		{`{"name":"a","age":1.0}`, "validation_failed /age invalid_type"},
		{`{"name":"a","age":2147483648}`, "validation_failed /age invalid_type"},
		{`{"name":"a","age":1,"name":"b"}`, "invalid_json /name duplicate_field"},
		{`{"name":{"x":1,"x":2},"age":1}`, "invalid_json /name/x duplicate_field"},
		{"{\"name\":\"\xc3\x28\",\"age\":1}", "invalid_json /name invalid_utf8"},
		{`{"name":"\ud800","age":1}`, "invalid_json"},
		{`{"name":"a","age":1}x`, "invalid_json"},
		{`{"name":"a","age":1,}`, "invalid_json"},
		{`{'name':'a'}`, "invalid_json"},
		{``, "invalid_json"},
		{`"x"`, "validation_failed  invalid_type"},
		{`7`, "validation_failed  invalid_type"},
		{`null`, "validation_failed  invalid_type"},
		{strings.Repeat(`{"a":`, 33), "invalid_json"},
		{`{"name":"` + strings.Repeat(`[`, 100) + `","age":1}`, ""},
		{`{"name":"\"` + strings.Repeat(`{`, 100) + `","age":1}`, ""},
	} {
		var dst sample
		err := decode([]byte(tc.body), &dst)
		var got string
		var p *problem.Error
		if errors.As(err, &p) {
			got = string(p.Code)
			for _, f := range p.Fields {
				got += " " + f.Name + " " + f.Code
			}
		}
		if got != tc.want {
			t.Errorf("%.60s: got %q, want %q", tc.body, got, tc.want)
		}
	}
}

// What is accepted is what encoding/json reads, too, and whatever is refused is
// a problem that the client can be shown.
func FuzzDecode(f *testing.F) {
	f.Add(`{"name":"a","age":1}`)
	f.Add(`{"name":"a","age":1,"nick":"\u00e9"}`)
	f.Add(`{"name":"a","name":"b"}`)
	f.Add("{\"\xff\":1}")
	f.Fuzz(func(t *testing.T, body string) {
		var got, want sample
		err := decode([]byte(body), &got)
		if err == nil {
			if err := json.Unmarshal([]byte(body), &want); err != nil || got != want {
				t.Errorf("got %+v, encoding/json has %+v, %v", got, want, err)
			}
			return
		}
		p := problem.From(err)
		if p.Code != problem.InvalidJSON && p.Code != problem.ValidationFailed {
			t.Errorf("got %v", err)
		}
		for _, field := range p.Fields {
			if !utf8.ValidString(field.Name) {
				t.Errorf("field %q is not UTF-8", field.Name)
			}
		}
	})
}

type samples struct {
	Count int64    `json:"count,omitzero" null:"absent"`
	List  []sample `json:"list"`
}

func TestDecodeLists(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want string }{
		{`{"list":[]}`, ""},
		{`{"list":[{"name":"a","age":1},{"name":"b","age":2,"nick":"c"}],"count":null}`, ""},
		{`{"list":null}`, "/list invalid_type"},
		{`{"list":{}}`, "/list invalid_type"},
		{`{"list":"[]"}`, "/list invalid_type"},
		{`{"list":[null]}`, "/list/0 invalid_type"},
		{`{"list":[[]]}`, "/list/0 invalid_type"},
		{`{"list":[{"name":"a","age":1},7]}`, "/list/1 invalid_type"},
		{`{"list":[{}],"x":1}`, "/list/0/name required /list/0/age required /x unknown_field"},
		{`{"list":[{"name":"a","age":1,"nick":null,"a/b":1}]}`, "/list/0/nick invalid_type /list/0/a~1b unknown_field"},
		{`{"list":[{"name":"a","age":1},{"name":1,"age":0.5}]}`, "/list/1/name invalid_type /list/1/age invalid_type"},
	} {
		var dst samples
		err := decode([]byte(tc.body), &dst)
		var got []string
		var p *problem.Error
		if errors.As(err, &p) {
			for _, f := range p.Fields {
				got = append(got, f.Name+" "+f.Code)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: got %q, want %q", tc.body, got, tc.want)
		}
	}
	var dst samples
	if err := decode([]byte(`{"list":[{"name":"a","age":1},{"age":2,"name":"b","nick":"c"}],"count":null}`), &dst); err != nil {
		t.Fatal(err)
	}
	if want := (samples{List: []sample{{"a", 1, ""}, {"b", 2, "c"}}}); !reflect.DeepEqual(dst, want) {
		t.Errorf("got %+v, want %+v", dst, want)
	}
	// What is wrong everywhere is told of within bounds.
	err := decode([]byte(`{"list":[`+strings.Repeat("{},", 10_000)+`{}]}`), &dst)
	var p *problem.Error
	if !errors.As(err, &p) || len(p.Fields) != maxFindings {
		t.Errorf("got %v", err)
	}
	if err := decode([]byte(`{"list":[{"name":"a","age":1,"age":1}]}`), &dst); !errors.As(err, &p) || p.Fields[0].Name != "/list/0/age" {
		t.Errorf("got %v", err)
	}
}
