package nfexml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// files are synthetic invoices of many shapes.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(names) < 5 {
		t.Fatalf("found %d files, error %v", len(names), err)
	}
	found := map[string][]byte{}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(name), ".xml")] = content
	}
	return found
}

// What is imported, exported and imported again is what it was. What a document has
// no place for is told the first time, and is gone the second.
func TestFilesComeBack(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"minimal": nil,
		"nfce":    {"infNFe/ide/verProc", "infNFeSupl/qrCode", "infNFeSupl/urlChave"},
		"rich": {
			"infNFe/ide/indIntermed", "infNFe/ide/verProc", "infNFe/det[1]/prod/NVE", "infNFe/det[1]/prod/uTrib",
			"infNFe/det[1]/imposto/vTotTrib", "infNFe/det[1]/imposto/ICMS/ICMS10/vBCFCP", "infNFe/total/ICMSTot/vFCP",
			"infNFe/cobr", "infNFe/infRespTec", "protNFe/infProt/@Id", "protNFe/infProt/verAplic", "protNFe/infProt/digVal",
		},
		"service":  {"infNFe/det[1]/imposto/ISSQN", "infNFe/total/ISSQNtot/dCompet"},
		"prefixed": nil,
	}
	for name, content := range files(t) {
		first, err := Read(content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		given, got := slices.Clone(want[name]), slices.Clone(first.NotKept)
		slices.Sort(given)
		slices.Sort(got)
		if diff := cmp.Diff(given, got); diff != "" {
			t.Errorf("%s: not kept (-want +got):\n%s", name, diff)
		}
		second, err := Read(Write(first))
		if err != nil {
			t.Errorf("%s: what was written: %v", name, err)
			continue
		}
		first.NotKept = nil
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s (-first +second):\n%s", name, diff)
		}
	}
}

// Byte order marks, line ends, prefixes, comments and blanks mean nothing.
func TestFormsOfTheSame(t *testing.T) {
	t.Parallel()
	all := files(t)
	plain, err := Read(all["minimal"])
	if err != nil {
		t.Fatal(err)
	}
	text := string(all["minimal"])
	for name, form := range map[string]string{
		"byte order mark": "\ufeff" + text,
		"CRLF":            strings.ReplaceAll(text, "\n", "\r\n"),
		"no declaration":  text[strings.Index(text, "?>")+2:],
		"no namespace":    strings.Replace(text, ` xmlns="`+Namespace+`"`, "", 1),
		"prefixed":        string(all["prefixed"]),
		"comments":        strings.ReplaceAll(text, "<ide>", "<!-- a --><ide><?b c?>"),
		"one line":        strings.ReplaceAll(text, "\n", ""),
		"blanks in texts": strings.ReplaceAll(text, "<natOp>", "<natOp>\n  "),
		"character data":  strings.ReplaceAll(text, "Venda de mercadoria", "<![CDATA[Venda de mercadoria]]>"),
	} {
		got, err := Read([]byte(form))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(plain, got); diff != "" {
			t.Errorf("%s (-plain +%[1]s):\n%s", name, diff)
		}
	}
}

// What is no invoice is refused with the place, and without any of its text.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ input, path, message string }{
		"nothing":          {"", "", "no element"},
		"no XML":           {"invoice", "", "has text beside its elements"},
		"another element":  {"<procEventoNFe/>", "", "neither NFe nor nfeProc of " + Namespace},
		"another language": {`<NFe xmlns="urn:other"/>`, "", "neither NFe nor nfeProc of " + Namespace},
		"truncated":        {"<NFe><infNFe><ide><natOp>Ven", "infNFe/ide/natOp", "is not well-formed XML"},
		"wrong end":        {"<NFe><infNFe></NFe>", "infNFe", "is not well-formed XML"},
		"two documents":    {"<NFe/><NFe/>", "", "more than one document"},
		"twice":            {"<NFe><infNFe><ide/><ide/></infNFe></NFe>", "infNFe/ide", "occurs twice"},
		"text in a group":  {"<NFe><infNFe>secret</infNFe></NFe>", "infNFe", "has text beside its elements"},
		"group in a text":  {"<NFe><infNFe><ide><natOp><b/></natOp></ide></infNFe></NFe>", "infNFe/ide/natOp", "has elements in it, and may have text only"},
		"no item number":   {`<NFe><infNFe><det nItem="secret"/></infNFe></NFe>`, "infNFe/det[1]/@nItem", "is no number"},
		"entity":           {`<NFe><infNFe><ide><natOp>&secret;</natOp></ide></infNFe></NFe>`, "infNFe/ide/natOp", "is not well-formed XML"},
		"doctype":          {`<!DOCTYPE NFe [<!ENTITY a "secret">]><NFe/>`, "", "has a document type declaration"},
		"external entity":  {`<!DOCTYPE NFe SYSTEM "file:///etc/passwd"><NFe/>`, "", "has a document type declaration"},
		"another encoding": {`<?xml version="1.0" encoding="ISO-8859-1"?><NFe/>`, "", `the encoding is "ISO-8859-1", and has to be UTF-8`},
		"not UTF-8":        {"<NFe>\xe9</NFe>", "", "not UTF-8"},
		"UTF-16":           {"\xff\xfe<\x00N\x00", "", "not UTF-8"},
		"too long":         {strings.Repeat(" ", MaxSize+1), "", "more than 10 MiB"},
	} {
		_, err := Read([]byte(test.input))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an Error", name, err)
			continue
		}
		if e.Path != test.path || e.Message != test.message || e.Line < 1 {
			t.Errorf("%s: got line %d, %q, %q, want %q, %q", name, e.Line, e.Path, e.Message, test.path, test.message)
		}
	}
}

// Whatever is deep, long or repeated is read in time and memory that its length
// bounds, and what is reported has a bound of its own.
func TestBombs(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for name, input := range map[string]string{
		"deep":            "<NFe>" + strings.Repeat("<a>", n) + strings.Repeat("</a>", n) + "</NFe>",
		"many attributes": "<NFe" + strings.Repeat(" a='b'", n) + "/>",
		"many elements":   "<NFe>" + strings.Repeat("<a/>", n) + "</NFe>",
		"many unknown":    "<NFe>" + manyNames(n) + "</NFe>",
	} {
		got, err := Read([]byte(input))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(got.NotKept) > MaxNotKept {
			t.Errorf("%s: %d reported", name, len(got.NotKept))
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<a%d/>", i)
	}
	return b.String()
}

// A client who puts something else into a member for what is opaque cannot break out
// of its place.
func TestOpaqueStaysInItsPlace(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"", "text", "<IBSCBS>", "<other/>", "<IBSCBS/><evil/>", "<IBSCBS/>text<IBSCBS/>", "</imposto><evil/><imposto>",
		"<!DOCTYPE a><IBSCBS/>", "<IBSCBS><a></IBSCBS></a>", "<?a?><IBSCBS/>",
	} {
		if isElement(source, "IBSCBS") {
			t.Errorf("%q is taken for an element", source)
		}
	}
	if !isElement(`<IBSCBS><a b="c">d</a></IBSCBS>`, "IBSCBS") {
		t.Error("an element is not taken for one")
	}
}

// Whatever is read can be written, and is then read as the same.
func FuzzRead(f *testing.F) {
	for _, content := range files(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		first, err := Read(input)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !utf8.ValidString(err.Error()) {
				t.Fatalf("%#v is no Error", err)
			}
			return
		}
		once := Write(first)
		if string(once) == `<?xml version="1.0" encoding="UTF-8"?>` {
			return // there was nothing in it
		}
		second, err := Read(once)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, once)
		}
		if twice := Write(second); string(once) != string(twice) {
			t.Fatalf("once %s\ntwice %s", once, twice)
		}
	})
}
