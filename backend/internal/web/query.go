package web

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/internal/problem"
)

// Query reads the query parameters of an operation that is no list, by the
// methods of [List] that read filters. Limit, cursor and sort mean nothing to
// it. [List.Err] comes last.
func (r *Request) Query() *List {
	l := &List{r: r, params: map[string]string{}}
	for key, value := range r.ctx.QueryArgs().All() {
		name := string(key)
		if _, twice := l.params[name]; twice {
			l.add(name, "repeated", "occurs more than once")
			continue
		}
		if !utf8.Valid(key) || !utf8.Valid(value) {
			l.add(clean(name, 100), "invalid_utf8", "must be valid UTF-8")
			continue
		}
		l.params[name] = string(value)
	}
	return l
}

// Required reads one of the given words, which must be given.
func (l *List) Required(name string, words ...string) string {
	if _, ok := l.params[name]; !ok {
		l.add(name, "required", "must be one of "+strings.Join(words, ", "))
		return ""
	}
	return l.Choice(name, words...)
}

// Matching reads a text that ok accepts; "" when it is not given. Message says
// what is wanted.
func (l *List) Matching(name string, ok func(string) bool, message string) string {
	text, given := l.take(name)
	switch {
	case !given:
		return ""
	case !ok(text):
		l.add(name, "invalid_format", message)
		return ""
	}
	l.filters = append(l.filters, name+"="+text)
	return text
}

// Err reports every finding about the parameters that have been read, and those
// that nobody has read.
func (l *List) Err() error {
	unknown := make([]string, 0, len(l.params))
	for name := range l.params {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		l.add(clean(name, 100), "unknown_parameter", "is not a parameter of this operation")
	}
	if len(l.findings) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.InvalidQuery, Fields: l.findings[:min(len(l.findings), maxFindings)]}
}
