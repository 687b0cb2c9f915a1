package route

import "strings"

// Table finds the route of a request. It is safe for concurrent use.
type Table struct {
	root   node
	routes []*Route

	// Document is the document in JSON, as clients get it.
	Document []byte
}

// methods are those that a document may use, in the order of the Allow header.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// path is one template with its operations by the index of the method.
type path struct {
	template string
	allow    string
	byMethod [len(methods)]*Route
}

// node is a position in the tree of path segments.
type node struct {
	static map[string]*node
	param  *node
	path   *path
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
// for byte. Without one it returns nil and the methods that the path does have,
// which is "" when the document has no such path.
func (t *Table) Match(method, target []byte) (r *Route, allow string) {
	if len(target) == 0 || target[0] != '/' {
		return nil, ""
	}
	p := t.root.find(target[1:])
	if p == nil {
		return nil, ""
	}
	if i := methodIndex(method); i >= 0 {
		r = p.byMethod[i]
	}
	return r, p.allow
}

// find matches the segments in rest. A static segment goes before a parameter;
// when it leads nowhere the parameter is tried. The tree is as deep as the
// longest template, which bounds the recursion.
func (n *node) find(rest []byte) *path {
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
	if n.param != nil && len(segment) > 0 {
		return n.param.end(rest, more)
	}
	return nil
}

func (n *node) end(rest []byte, more bool) *path {
	if more {
		return n.find(rest)
	}
	return n.path
}

// insert returns the place of a template, which is new unless a template that
// matches the same paths was inserted before.
func (n *node) insert(template string) *node {
	for segment := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		next := n.static[segment]
		if next == nil {
			next = &node{}
			if n.static == nil {
				n.static = map[string]*node{}
			}
			n.static[segment] = next
		}
		n = next
	}
	return n
}

// Routes returns all routes, ordered by template and method.
func (t *Table) Routes() []*Route { return t.routes }

// BodyLimit returns how many bytes of body to read for a request: the
// operation's limit, or little for what the document does not have.
func (t *Table) BodyLimit(method, target []byte) int {
	if r, _ := t.Match(method, target); r != nil {
		return r.MaxBody
	}
	return bodilessLimit
}
