package web

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/internal/problem"
)

// DecodeSparse is as [Request.Decode] for an object that may lack anything: members
// of dst may be missing or null, and it is as deep as its type.
func (r *Request) DecodeSparse(dst any) error {
	body, _, err := r.Body(jsonType)
	if err != nil {
		return err
	}
	return decodeSparse(body, dst)
}

func decodeSparse(body []byte, dst any) error {
	if tooDeep(body) {
		return problem.Newf(problem.InvalidJSON, "The request body is nested deeper than %d levels.", maxDepth)
	}
	if jsontext.Value(body).Kind() != '{' && jsontext.Value(body).IsValid() {
		return notAnObject()
	}
	err := json.Unmarshal(body, dst, json.RejectUnknownMembers(true))
	if err == nil || isSyntactic(err) {
		if err != nil {
			return decodeProblem(body, err)
		}
		return nil
	}
	// That was the first mistake; this finds all of them.
	var all map[string]jsontext.Value
	if err := json.Unmarshal(body, &all); err != nil {
		return decodeProblem(body, err)
	}
	var f findings
	f.sparse("", body, reflect.TypeOf(dst).Elem())
	return f.problem()
}

// sparse looks for what keeps the value at a pointer from being read as a type.
func (f *findings) sparse(pointer string, raw jsontext.Value, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case raw.Kind() == 'n' || len(*f) >= maxFindings:
	case t.Kind() == reflect.Struct:
		var members map[string]jsontext.Value
		if err := json.Unmarshal(raw, &members); err != nil {
			f.add(pointer, "invalid_type", "must be an object")
			return
		}
		f.sparseMembers(pointer, members, t)
		f.unknown(pointer, members)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		var elements []jsontext.Value
		if err := json.Unmarshal(raw, &elements); err != nil {
			f.add(pointer, "invalid_type", "must be an array")
			return
		}
		for i, element := range elements {
			f.sparse(fmt.Sprintf("%s/%d", pointer, i), element, t.Elem())
		}
	default:
		if err := json.Unmarshal(raw, reflect.New(t).Interface()); err != nil {
			f.add(pointer, "invalid_type", "must be "+wanted(t))
		}
	}
}

// sparseMembers looks at the members that a struct has, and takes them out of the map.
func (f *findings) sparseMembers(pointer string, members map[string]jsontext.Value, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			f.sparseMembers(pointer, members, field.Type)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if raw, ok := members[name]; ok {
			delete(members, name)
			f.sparse(pointer+"/"+name, raw, field.Type)
		}
	}
}
