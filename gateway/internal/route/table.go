package route

import "strings"

// Table finds the route of a request. It is safe for concurrent use.
type Table struct {
	root   node
	routes []*Route

	// Alias is where the document's operations answer besides their own paths;
	// nil for nowhere.
	Alias *Alias

	// Document is the document in JSON, as clients get it.
	Document []byte
}

// methods are those that a document may use, in the order of the Allow header.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Path is one path with its operations. Paths are shared by all requests and
// never change.
type Path struct {
	Template string // as the document writes it, base path included
	Allow    string // its methods, for the Allow header

	// Alias is whether requests come to the operations by an alias of the
	// template. Everything else is as at the template itself.
	Alias bool

	byMethod [len(methods)]*Route // by the index of the method
}

// node is a position in the tree of path segments.
type node struct {
	static   map[string]*node
	patterns []pattern
	param    *node
	path     *Path
}

// methodIndex returns the index in methods, or -1.
func methodIndex[T string | []byte](method T) int {
	switch string(method) {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "PATCH":
		return 4
	case "DELETE":
		return 5
	case "OPTIONS":
		return 6
	}
	return -1
}

// KnownMethod reports whether a document could have the method, in upper case.
func KnownMethod(method []byte) bool { return methodIndex(method) >= 0 }

// Match finds the operation for a method and a path without its query, byte
// for byte. The operation is nil when the path does not have the method, and
// the path is nil when the document does not have it.
func (t *Table) Match(method, target []byte) (*Route, *Path) {
	if len(target) == 0 || target[0] != '/' {
		return nil, nil
	}
	p := t.root.find(target[1:])
	if p == nil || p.Alias && t.Alias == nil {
		return nil, nil
	}
	if i := methodIndex(method); i >= 0 {
		return p.byMethod[i], p
	}
	return nil, p
}

// WithoutAliases returns a table in which the aliases are paths that the
// document does not have.
func (t *Table) WithoutAliases() *Table {
	without := *t
	without.Alias = nil
	return &without
}

// find matches the segments in rest. A static segment goes before one that has a
// parameter in it, and that before one that is a parameter; when it leads nowhere
// the next is tried. The tree is as deep as the longest template, which bounds the
// recursion.
func (n *node) find(rest []byte) *Path {
	segment, more := rest, false
	for i, c := range rest {
		if c == '/' {
			segment, rest, more = rest[:i], rest[i+1:], true
			break
		}
	}
	if next := n.static[string(segment)]; next != nil {
		if p := next.end(rest, more); p != nil {
			return p
		}
	}
	for i := range n.patterns {
		if n.patterns[i].matches(segment) {
			if p := n.patterns[i].next.end(rest, more); p != nil {
				return p
			}
		}
	}
	if n.param != nil && len(segment) > 0 {
		return n.param.end(rest, more)
	}
	return nil
}

func (n *node) end(rest []byte, more bool) *Path {
	if more {
		return n.find(rest)
	}
	return n.path
}

// insert returns the place of a template, which is new unless a template that
// matches the same paths was inserted before.
func (n *node) insert(template string) *node {
	for segment := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		n = n.under(segment)
	}
	return n
}

// Routes returns all routes, ordered by template and method, each once: by an
// alias the same ones are reached.
func (t *Table) Routes() []*Route { return t.routes }

// BodyLimit returns how many bytes of body to read for a request: the
// operation's limit, or little for what the document does not have.
func (t *Table) BodyLimit(method, target []byte) int {
	if r, _ := t.Match(method, target); r != nil {
		return r.MaxBody
	}
	return bodilessLimit
}
