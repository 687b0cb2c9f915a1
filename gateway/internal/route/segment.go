package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// pattern is a segment with a parameter that does not fill it, such as
// {name}.json or {id}:cancel.
type pattern struct {
	prefix, suffix string
	next           *node
}

// matches reports whether a segment has the literals with something between.
func (p *pattern) matches(segment []byte) bool {
	return len(segment) > len(p.prefix)+len(p.suffix) &&
		string(segment[:len(p.prefix)]) == p.prefix && string(segment[len(segment)-len(p.suffix):]) == p.suffix
}

// under returns the node behind a segment of a template, which is new unless
// there was one.
func (n *node) under(segment string) *node {
	prefix, suffix, hasParam := literals(segment)
	switch {
	case !hasParam:
		next := n.static[segment]
		if next == nil {
			next = &node{}
			if n.static == nil {
				n.static = map[string]*node{}
			}
			n.static[segment] = next
		}
		return next
	case prefix == "" && suffix == "":
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	for _, p := range n.patterns {
		if p.prefix == prefix && p.suffix == suffix {
			return p.next
		}
	}
	next := &node{}
	n.patterns = append(n.patterns, pattern{prefix, suffix, next})
	// The one that says most goes first; then the order is that of the text, so
	// that it does not depend on the document's.
	slices.SortFunc(n.patterns, func(a, b pattern) int {
		return cmp.Or(
			cmp.Compare(len(b.prefix)+len(b.suffix), len(a.prefix)+len(a.suffix)),
			cmp.Compare(len(b.prefix), len(a.prefix)), cmp.Compare(a.prefix, b.prefix), cmp.Compare(a.suffix, b.suffix))
	})
	return next
}

// literals returns what stands before and behind the parameter of a segment.
func literals(segment string) (prefix, suffix string, hasParam bool) {
	prefix, rest, hasParam := strings.Cut(segment, "{")
	if !hasParam {
		return "", "", false
	}
	_, suffix, _ = strings.Cut(rest, "}")
	return prefix, suffix, true
}

// badTemplate says why a template cannot be matched, or "". Requests are
// matched byte for byte in canonical form, so what is not a parameter may hold
// only characters that stand in a path as they are.
func badTemplate(template string) string {
	segments := strings.Split(template[1:], "/")
	for i, segment := range segments {
		switch reason := badSegment(segment); {
		case segment == "" && i < len(segments)-1:
			return "has an empty segment, which no request can match"
		case segment == "." || segment == "..":
			return "has a dot segment, which no request can match"
		case reason != "":
			return fmt.Sprintf("segment %q: %s", segment, reason)
		}
	}
	return ""
}

func badSegment(segment string) string {
	text := segment
	if prefix, rest, hasParam := strings.Cut(segment, "{"); hasParam {
		name, suffix, closed := strings.Cut(rest, "}")
		if text = prefix + suffix; !closed || name == "" || strings.ContainsAny(name+text, "{}") {
			return "one parameter in braces is allowed, with text before and behind it"
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unreserved(r) && !strings.ContainsRune("!$&'()*+,;=:@", r) }) {
		return "only letters, digits and -._~!$&'()*+,;=:@ are allowed, and one parameter"
	}
	return ""
}

// unreserved is RFC 3986 section 2.3.
func unreserved(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9',
		r == '-', r == '.', r == '_', r == '~':
		return true
	}
	return false
}
