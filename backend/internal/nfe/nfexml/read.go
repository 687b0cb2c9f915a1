package nfexml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"gatehouse/backend/internal/nfe"
)

// Read reads NFe or nfeProc. The input is UTF-8, with or without a byte order
// mark; a document type declaration, with which entities could be defined, is
// refused. Every error is an [*Error].
func Read(input []byte) (*Invoice, error) {
	input = bytes.TrimPrefix(input, []byte("\ufeff"))
	r := &reader{input: input, decoder: xml.NewDecoder(bytes.NewReader(input)), invoice: &Invoice{Document: &nfe.Document{}}}
	r.decoder.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("the encoding is %.20q, and has to be UTF-8", charset)
	}
	switch {
	case len(input) > MaxSize:
		return nil, &Error{Line: 1, Message: fmt.Sprintf("more than %d MiB", MaxSize>>20)}
	case !utf8.Valid(input):
		return nil, &Error{Line: 1, Message: "not UTF-8"}
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	r.compare()
	return r.invoice, nil
}

type reader struct {
	input    []byte
	decoder  *xml.Decoder
	invoice  *Invoice
	notKept  map[string]bool
	compared []comparison
}

// comparison is of what was read with what has to follow from the rest.
type comparison struct {
	path, given string
	follows     func() string
}

func (r *reader) fail(path, format string, args ...any) error {
	line, _ := r.decoder.InputPos()
	return &Error{Line: line, Path: path, Message: fmt.Sprintf(format, args...)}
}

func (r *reader) read() error {
	roots := roots(r.invoice)
	seen := false
	for {
		token, err := r.token("")
		switch {
		case errors.Is(err, io.EOF) && seen:
			return nil
		case errors.Is(err, io.EOF):
			return r.fail("", "no element")
		case err != nil:
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		root, ok := find(roots, start.Name.Local)
		if seen {
			return r.fail("", "more than one document")
		}
		if !ok || !ours(start.Name) {
			return r.fail("", "neither NFe nor nfeProc of %s", Namespace)
		}
		seen = true
		if err := r.group(start, root.open(), ""); err != nil {
			return err
		}
	}
}

func ours(name xml.Name) bool { return name.Space == Namespace || name.Space == "" }

// token returns the next one that means something.
func (r *reader) token(path string) (xml.Token, error) {
	for {
		token, err := r.decoder.Token()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF):
			return nil, err
		case errors.As(err, &syntax):
			return nil, &Error{Line: syntax.Line, Path: path, Message: "is not well-formed XML"}
		case err != nil:
			return nil, r.fail(path, "%v", errors.Unwrap(err))
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, r.fail(path, "has a document type declaration")
		case xml.Comment, xml.ProcInst:
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return nil, r.fail(path, "has text beside its elements")
			}
		default:
			return token, nil
		}
	}
}

// group reads what is in an element, up to its end.
func (r *reader) group(start xml.StartElement, nodes []node, path string) error {
	for _, attribute := range start.Attr {
		if err := r.attribute(attribute, nodes, path); err != nil {
			return err
		}
	}
	times := map[string]int{}
	for {
		begin := r.decoder.InputOffset()
		token, err := r.token(path)
		if errors.Is(err, io.EOF) {
			return r.fail(path, "does not end")
		}
		if err != nil {
			return err
		}
		element, ok := token.(xml.StartElement)
		if !ok { // the end
			return nil
		}
		name := element.Name.Local
		times[name]++
		n, known := find(nodes, name)
		known = known && (ours(element.Name) || n.raw != nil && element.Name.Space == SignatureNamespace)
		below := strings.TrimPrefix(path+"/"+name, "/")
		if below == "NFe" { // in nfeProc, where paths are those of NFe alone
			below = ""
		}
		if known && n.seen != nil {
			n.seen()
		}
		switch {
		case !known:
			r.drop(below)
			err = r.skip(below)
		case times[name] > 1 && !n.many:
			err = r.fail(below, "occurs twice")
		case n.open != nil:
			if n.many {
				below = fmt.Sprintf("%s[%d]", below, times[name])
			}
			err = r.group(element, n.open(), below)
		case n.raw != nil:
			if err = r.skip(below); err == nil {
				n.raw(r.source(begin, element))
			}
		default:
			err = r.text(n, element, below)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) attribute(a xml.Attr, nodes []node, path string) error {
	if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || a.Name.Space == "http://www.w3.org/2001/XMLSchema-instance" {
		return nil
	}
	path += "/@" + a.Name.Local
	if n, known := find(nodes, "@"+a.Name.Local); known {
		return r.take(n, a.Value, path)
	}
	r.drop(path)
	return nil
}

func (r *reader) skip(path string) error {
	var syntax *xml.SyntaxError
	switch err := r.decoder.Skip(); {
	case errors.As(err, &syntax):
		return &Error{Line: syntax.Line, Path: path, Message: "is not well-formed XML"}
	case err != nil:
		return r.fail(path, "does not end")
	}
	return nil
}

// source returns an element as it came, with the declaration of its prefix, if it
// was made further out.
func (r *reader) source(begin int64, element xml.StartElement) string {
	raw := strings.TrimSpace(string(r.input[begin:r.decoder.InputOffset()]))
	raw = raw[strings.IndexByte(raw, '<'):] // comments stay out
	for strings.HasPrefix(raw, "<!--") || strings.HasPrefix(raw, "<?") {
		raw = strings.TrimSpace(raw[strings.IndexByte(raw, '>')+1:])
	}
	end := strings.IndexAny(raw, " \t\r\n/>")
	prefix, _, prefixed := strings.Cut(raw[1:end], ":")
	declaration := "xmlns"
	if prefixed {
		declaration += ":" + prefix
	}
	head := raw[:strings.IndexByte(raw, '>')]
	if element.Name.Space == "" || !prefixed && element.Name.Space == Namespace || strings.Contains(head, declaration+"=") {
		return raw
	}
	return raw[:end] + " " + declaration + `="` + element.Name.Space + `"` + raw[end:]
}

// text reads an element that holds nothing but text.
func (r *reader) text(n node, start xml.StartElement, path string) error {
	for _, attribute := range start.Attr {
		if err := r.attribute(attribute, nil, path); err != nil {
			return err
		}
	}
	var text strings.Builder
	for {
		token, err := r.decoder.Token()
		var syntax *xml.SyntaxError
		switch {
		case errors.As(err, &syntax):
			return &Error{Line: syntax.Line, Path: path, Message: "is not well-formed XML"}
		case err != nil:
			return r.fail(path, "does not end")
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			return r.fail(path, "has elements in it, and may have text only")
		case xml.EndElement:
			return r.take(n, strings.TrimSpace(text.String()), path)
		}
	}
}

// take puts a text where it belongs.
func (r *reader) take(n node, text, path string) error {
	switch {
	case n.follows != nil:
		r.compared = append(r.compared, comparison{path, text, n.follows})
	case n.number != nil:
		value, err := strconv.Atoi(text)
		if err != nil {
			return r.fail(path, "is no number")
		}
		*n.number = value
	default:
		if n.in != nil {
			text = n.in(text)
		}
		*n.text = text
	}
	return nil
}

// compare reports what does not follow from the rest, although it should.
func (r *reader) compare() {
	for _, c := range r.compared {
		if !same(c.given, c.follows()) {
			r.drop(c.path)
		}
	}
}

// same compares texts, and numbers by their value.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := nfe.Decimal(a).Number()
	y, also := nfe.Decimal(b).Number()
	return a != "" && b != "" && ok && also && x.Cmp(y) == 0
}

func (r *reader) drop(path string) {
	if r.notKept == nil {
		r.notKept = map[string]bool{}
	}
	if !r.notKept[path] && len(r.notKept) < MaxNotKept {
		r.notKept[path] = true
		r.invoice.NotKept = append(r.invoice.NotKept, path)
	}
}
