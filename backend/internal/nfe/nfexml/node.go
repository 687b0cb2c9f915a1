package nfexml

import (
	"slices"

	"gatehouse/backend/internal/nfe"
)

// node is an element of the layout, or an attribute if its name begins with @,
// bound to the part of an invoice that it is about. The same tree reads and writes,
// so that both know the same elements in the same order.
type node struct {
	name string
	// text is where the element's text belongs.
	text *string
	// must is written when the text is empty, because the schema wants the element.
	must string
	// follows computes what is written; what is read is only compared with it, at
	// the end, when all it follows from is known.
	follows func() string
	// raw takes the element as it came; source is what is written then.
	raw    func(string)
	source string
	// open makes one more occurrence and returns what is in it.
	open func() []node
	// all returns what is in each occurrence.
	all func() [][]node
	// many says that the element may occur several times.
	many bool
	// in and out, if the text is another one in XML, lead from that and to it.
	in, out func(string) string
	// seen is called when the element was read.
	seen func()
	// omit says that the element is read and not written.
	omit bool
	// number is where a number belongs that is written as text.
	number *int
}

// leaf is an element with text, where p points to a string of any of nfe's types.
func leaf(name string, p any) node { return node{name: name, text: pointer(p)} }

// required is a leaf that is written as value when it is empty.
func required(name string, p any, value string) node {
	return node{name: name, text: pointer(p), must: value}
}

// derived is an element that says nothing new.
func derived(name string, follows func() string) node { return node{name: name, follows: follows} }

// constant is an element that always has the same text.
func constant(name, text string) node { return derived(name, func() string { return text }) }

// group is an element that holds others and occurs once.
func group(name string, nodes ...node) node {
	return node{name: name, open: func() []node { return nodes }, all: func() [][]node { return [][]node{nodes} }}
}

// optional is a group whose part of the invoice may be missing.
func optional[T any](name string, p **T, nodes func(*T) []node) node {
	return node{
		name: name,
		open: func() []node {
			if *p == nil {
				*p = new(T)
			}
			return nodes(*p)
		},
		all: func() [][]node {
			if *p == nil {
				return nil
			}
			return [][]node{nodes(*p)}
		},
	}
}

// list is an element that occurs for each entry of a list.
func list[T any](name string, p *[]T, nodes func(*T) []node) node {
	return node{
		name: name, many: true,
		open: func() []node {
			*p = append(*p, *new(T))
			return nodes(&(*p)[len(*p)-1])
		},
		all: func() (all [][]node) {
			for i := range *p {
				all = append(all, nodes(&(*p)[i]))
			}
			return all
		},
	}
}

// choice is one of several elements of which a document has one: it is written when
// the document says so, and seen tells the document that it was read.
func (n node) choice(chosen bool, seen func()) node {
	n.omit, n.seen = !chosen, seen
	return n
}

func find(nodes []node, name string) (node, bool) {
	i := slices.IndexFunc(nodes, func(n node) bool { return n.name == name })
	if i < 0 {
		return node{}, false
	}
	return nodes[i], true
}

func pointer(p any) *string {
	switch p := p.(type) {
	case *string:
		return p
	case *nfe.Money:
		return (*string)(p)
	case *nfe.Decimal:
		return (*string)(p)
	case *nfe.Timestamp:
		return (*string)(p)
	default:
		panic("nfexml: no text") // a mistake in the tables
	}
}
