package nfexml

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
)

// Write writes NFe, or nfeProc if there is a protocol, in UTF-8 without blanks
// between elements, as the schema's signature wants it. What the schema wants and
// the document does not have is left out: whether a document is complete is for
// its rules to say.
func Write(invoice *Invoice) []byte {
	name := "NFe"
	if invoice.Protocol != nil {
		name = "nfeProc"
	}
	root, _ := find(roots(invoice), name)
	var w writer
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	w.group(root.name, root.all()[0], ` xmlns="`+Namespace+`"`)
	return w.Bytes()
}

type writer struct{ bytes.Buffer }

// group writes an element with what is in it, and nothing if nothing is.
func (w *writer) group(name string, nodes []node, declaration string) {
	begin := w.Len()
	w.WriteString("<" + name + declaration)
	for _, n := range nodes {
		if value := n.value(); strings.HasPrefix(n.name, "@") && value != "" {
			w.WriteString(" " + n.name[1:] + `="`)
			w.escape(value)
			w.WriteString(`"`)
		}
	}
	w.WriteString(">")
	empty := w.Len()
	for _, n := range nodes {
		w.node(n)
	}
	if w.Len() == empty {
		w.Truncate(begin)
		return
	}
	w.WriteString("</" + name + ">")
}

func (w *writer) node(n node) {
	switch {
	case n.omit || strings.HasPrefix(n.name, "@"):
	case n.open != nil:
		for _, nodes := range n.all() {
			w.group(n.name, nodes, "")
		}
	case n.raw != nil:
		if isElement(n.source, n.name) {
			w.WriteString(n.source)
		}
	default:
		if value := n.value(); value != "" {
			w.WriteString("<" + n.name + ">")
			w.escape(value)
			w.WriteString("</" + n.name + ">")
		}
	}
}

func (w *writer) escape(text string) {
	_ = xml.EscapeText(w, []byte(text)) // a buffer takes everything
}

// value is the text of an element or attribute that has one.
func (n node) value() string {
	switch {
	case n.follows != nil:
		return n.follows()
	case n.number != nil && *n.number != 0:
		return strconv.Itoa(*n.number)
	case n.text == nil:
		return ""
	case *n.text == "":
		return n.must
	}
	if n.out != nil {
		return n.out(*n.text)
	}
	return *n.text
}
