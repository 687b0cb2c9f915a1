package logtail

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"

	"gatehouse/internal/requestid"
)

// Filter says which lines are wanted: those that fit each member that is given.
// The zero value wants all lines of level info and above.
type Filter struct {
	Level     slog.Level // the least severe
	Service   string     // gateway or backend
	Route     string     // a route's template, or unmatched
	RequestID string
}

// ValidService reports whether a process is called so in its lines.
func ValidService(s string) bool { return s == "gateway" || s == "backend" }

// ValidRoute reports whether s is 1 to 200 of [A-Za-z0-9/._{}-], of which routes'
// templates consist.
func ValidRoute(s string) bool {
	if len(s) < 1 || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '/', c == '.', c == '_', c == '-', c == '{', c == '}':
		default:
			return false
		}
	}
	return true
}

// text is the filter as Redis has it.
func (f Filter) text() string {
	v := url.Values{"level": {f.Level.String()}}
	for name, value := range map[string]string{"service": f.Service, "route": f.Route, "request_id": f.RequestID} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

var errFilter = errors.New("no filter")

// parseFilter reads what text has made. What a later version may have written is
// an error.
func parseFilter(text string) (f Filter, err error) {
	v, err := url.ParseQuery(text)
	if err != nil || f.Level.UnmarshalText([]byte(v.Get("level"))) != nil {
		return f, errFilter
	}
	f.Service, f.Route, f.RequestID = v.Get("service"), v.Get("route"), v.Get("request_id")
	valid := (f.Service == "" || ValidService(f.Service)) && (f.Route == "" || ValidRoute(f.Route)) &&
		(f.RequestID == "" || requestid.Valid(f.RequestID))
	if !valid || f.text() != text {
		return f, errFilter
	}
	return f, nil
}

// matcher looks for what a filter wants in lines as the log writes them. A quote
// within a text has a backslash before it, so only a member of a line looks like
// one.
type matcher struct {
	level   slog.Level
	members [][]byte
}

func (f Filter) matcher() matcher {
	m := matcher{level: f.Level}
	for name, value := range map[string]string{"service": f.Service, "route": f.Route, "request_id": f.RequestID} {
		if value != "" {
			m.members = append(m.members, []byte(`"`+name+`":"`+value+`"`))
		}
	}
	return m
}

func (m matcher) fits(line []byte, level slog.Level) bool {
	if level < m.level {
		return false
	}
	for _, member := range m.members {
		if !bytes.Contains(line, member) {
			return false
		}
	}
	return true
}

// levelOf returns the level of a line, whose second member it is.
func levelOf(line []byte) slog.Level {
	const name = `"level":"`
	start := bytes.Index(line, []byte(name))
	if start < 0 {
		return slog.LevelInfo
	}
	text, _, _ := bytes.Cut(line[start+len(name):], []byte{'"'})
	var level slog.Level
	if level.UnmarshalText(text) != nil {
		return slog.LevelInfo
	}
	return level
}
