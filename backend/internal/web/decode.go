package web

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/internal/problem"
)

const (
	// maxDepth of nesting in a body; the deepest that is expected is far less.
	maxDepth = 32
	// maxFindings bounds an answer about a body full of mistakes.
	maxFindings = 50
)

// Decode reads the JSON object of the request's body into dst, a pointer to a
// struct. Members are matched exactly by their json tag; those tagged omitzero
// are optional, and those also tagged null:"absent" may be null instead. Unknown,
// repeated, missing and other null members, wrong types, invalid UTF-8 and
// trailing data are refused, with all findings at once. A member may be a list of
// structs, to which the same applies; the members of an embedded struct count as
// those of the struct around it.
func (r *Request) Decode(dst any) error {
	body, _, err := r.Body(jsonType)
	if err != nil {
		return err
	}
	return decode(body, dst)
}

func decode(body []byte, dst any) error {
	if tooDeep(body) {
		return problem.Newf(problem.InvalidJSON, "The request body is nested deeper than %d levels.", maxDepth)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(body, &members); err != nil {
		return decodeProblem(body, err)
	}
	if members == nil { // null
		return notAnObject()
	}
	var f findings
	f.object("", members, reflect.ValueOf(dst).Elem())
	return f.problem()
}

// findings are what is wrong with the members of a body.
type findings []problem.Field

// problem is nil when nothing is wrong.
func (f findings) problem() error {
	if len(f) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.ValidationFailed, Fields: f[:min(len(f), maxFindings)]}
}

func (f *findings) add(pointer, code, message string) {
	*f = append(*f, problem.Field{Name: pointer, Code: code, Message: message})
}

// object reads the members of the object at a pointer into a struct.
func (f *findings) object(pointer string, members map[string]jsontext.Value, v reflect.Value) {
	f.members(pointer, members, v)
	f.unknown(pointer, members)
}

// unknown reports the members that are left.
func (f *findings) unknown(pointer string, members map[string]jsontext.Value) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		f.add(pointer+"/"+escapePointer(name), "unknown_field", "is not a field of this request")
	}
}

// members reads those that a struct has, and takes them out of the map.
func (f *findings) members(pointer string, members map[string]jsontext.Value, v reflect.Value) {
	for i := range v.NumField() {
		if v.Type().Field(i).Anonymous {
			f.members(pointer, members, v.Field(i))
			continue
		}
		tag := v.Type().Field(i).Tag
		name, options, _ := strings.Cut(tag.Get("json"), ",")
		at := pointer + "/" + name // our own names need no escape
		raw, ok := members[name]
		delete(members, name)
		switch t := v.Field(i).Type(); {
		case !ok && strings.Contains(options, "omitzero"):
		case !ok:
			f.add(at, "required", "is required")
		case raw.Kind() == 'n' && tag.Get("null") == "absent":
		case raw.Kind() == 'n':
			f.add(at, "invalid_type", "must be "+wanted(t)+", not null")
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			f.list(at, raw, v.Field(i))
		default:
			if err := json.Unmarshal(raw, v.Field(i).Addr().Interface()); err != nil {
				f.add(at, "invalid_type", "must be "+wanted(t))
			}
		}
	}
}

// list reads the array at a pointer into a slice of structs. It stops at more
// findings than are reported.
func (f *findings) list(pointer string, raw jsontext.Value, v reflect.Value) {
	var elements []jsontext.Value
	if err := json.Unmarshal(raw, &elements); err != nil {
		f.add(pointer, "invalid_type", "must be "+wanted(v.Type()))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, element := range elements {
		if len(*f) >= maxFindings {
			return
		}
		at := fmt.Sprintf("%s/%d", pointer, i)
		var members map[string]jsontext.Value
		if err := json.Unmarshal(element, &members); err != nil || members == nil {
			f.add(at, "invalid_type", "must be an object")
			continue
		}
		f.object(at, members, v.Index(i))
	}
}

func wanted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number within range"
	case reflect.Slice:
		return "an array"
	default:
		return "of another type"
	}
}

// decodeProblem says what keeps the body from being an object, and where.
func decodeProblem(body []byte, err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && !isSyntactic(err) {
		return notAnObject()
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return problem.Newf(problem.InvalidJSON, "The request body is empty; a JSON object is wanted.")
	}
	p := problem.New(problem.InvalidJSON)
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		p.Detail = fmt.Sprintf("The request body is not valid JSON, at byte %d.", syntactic.ByteOffset)
		if errors.Is(err, jsontext.ErrDuplicateName) {
			p.Detail = "The request body has a member twice."
			p.Fields = []problem.Field{{Name: string(syntactic.JSONPointer), Code: "duplicate_field", Message: "occurs twice"}}
		} else if !utf8.Valid(body) {
			p.Detail = fmt.Sprintf("The request body is not valid UTF-8, at byte %d.", syntactic.ByteOffset)
			p.Fields = []problem.Field{{Name: string(syntactic.JSONPointer), Code: "invalid_utf8", Message: "must be valid UTF-8"}}
		}
	}
	return p
}

func isSyntactic(err error) bool {
	var syntactic *jsontext.SyntacticError
	return errors.As(err, &syntactic)
}

func notAnObject() error {
	return &problem.Error{Code: problem.ValidationFailed,
		Fields: []problem.Field{{Name: "", Code: "invalid_type", Message: "must be an object"}}}
}

// tooDeep looks at brackets outside strings only; whether they match is the
// decoder's business.
func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a member's name for a JSON pointer (RFC 6901).
func escapePointer(name string) string { return pointerEscapes.Replace(clean(name, 100)) }

// clean makes foreign text safe to store and log: valid UTF-8, no control
// characters, at most limit code points.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit])
	}
	return s
}
