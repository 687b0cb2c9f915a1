package nfe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func options() Options { return Options{Reference: sampleTime} }

func TestGoodDocumentsHaveNoFinding(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]*Document{"nfe": sample(), "nfce": sampleNFCe(), "990 items": sampleOf(990)} {
		if got := Validate(d, options()); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 10)) //nolint:gosec // the same documents in each run
		if d := generate(r); len(Validate(d, options())) > 0 {
			text, _ := d.AppendJSON(nil)
			t.Fatalf("seed %d: %+v\n%s", seed, Validate(d, options()), text)
		}
	}
}

// A document with nothing in it has a finding for everything it must have, and
// none about what cannot be told without them.
func TestEmptyDocument(t *testing.T) {
	t.Parallel()
	want := []string{
		"required /modelo", "required /ambiente", "required /natureza_operacao", "required /tipo_operacao",
		"required /tipo_emissao", "required /finalidade", "required /id_destino", "required /indicador_final",
		"required /indicador_presencial", "required /data_emissao", "required /emitente", "required /itens",
		"required /valor_produtos", "required /valor_total", "required /transporte", "required /pagamentos",
	}
	var got []string
	for _, f := range Validate(&Document{}, options()) {
		got = append(got, fmt.Sprintf("%s %s", f.Rule, f.Path))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestStrictLetters(t *testing.T) {
	t.Parallel()
	last, _ := CNPJDigits("12OBC34501DE")
	for path, set := range map[string]func(*Document, string){
		"cnpj.letters /emitente/cnpj 207":      func(d *Document, s string) { d.Emitente.CNPJ = s },
		"cnpj.letters /destinatario/cnpj 208":  func(d *Document, s string) { d.Destinatario.CNPJ = s },
		"cnpj.letters /transporte/cnpj 542":    func(d *Document, s string) { d.Transporte.CNPJ = s },
		"cnpj.letters /referencias/0/cnpj 548": func(d *Document, s string) { r := paper(); r.CNPJ = s; d.Referencias = []Reference{r} },
	} {
		d := sample()
		set(d, "12OBC34501DE"+last)
		if got := Validate(d, options()); len(got) > 0 {
			t.Errorf("without strict letters: %+v", got)
		}
		strict := options()
		strict.StrictLetters = true
		if got := found(Validate(d, strict)); !slices.Equal(got, []string{path}) {
			t.Errorf("got %q, want %q", got, path)
		}
	}
}

func TestPurposesBehindTheFlag(t *testing.T) {
	t.Parallel()
	o := options()
	o.NT2025002 = true
	for purpose, want := range map[string]int{"5": 0, "6": 0, "7": 1} {
		d := sample()
		d.Finalidade = purpose
		d.Itens[0].PIS, d.Itens[0].COFINS = nil, nil
		if got := Validate(d, o); len(got) != want {
			t.Errorf("purpose %s: %+v", purpose, got)
		}
	}
}

func TestDatesWithoutReference(t *testing.T) {
	t.Parallel()
	for _, at := range []Timestamp{"2006-07-14T10:30:00-03:00", "2099-07-14T10:30:00-03:00"} {
		d := sample()
		d.DataEmissao = at
		if got := Validate(d, Options{}); len(got) > 0 {
			t.Errorf("%s: %+v", at, got)
		}
	}
}

func TestFindingsSayWhatWasExpected(t *testing.T) {
	t.Parallel()
	d := sampleParts()
	d.ValorTotal = "113.00"
	d.Emitente.CNPJ = "11222333000182"
	d.NaturezaOperacao = strings.Repeat("x", 61)
	d.ValorImpostos = Money(strings.Repeat("é", 500))
	want := []Finding{
		{Path: "/natureza_operacao", Rule: "text.length", Severity: Error, Expected: "1–60", Actual: "61", Code: "225"},
		{Path: "/emitente/cnpj", Rule: "cnpj.digit", Severity: Error, Expected: "81", Actual: "11222333000182", Code: "207"},
		{Path: "/valor_impostos", Rule: "decimal.form", Severity: Error, Actual: strings.Repeat("é", 99) + "…", Code: "225"},
		{Path: "/valor_total", Rule: "total.sum", Severity: Error, Expected: "112.00", Actual: "113.00", Code: "610"},
		{Path: "/pagamentos", Rule: "payment.short", Severity: Error, Expected: "113.00", Actual: "112.00", Code: "865"},
	}
	if diff := cmp.Diff(want, Validate(d, options())); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Neither does a long value of the client make a long finding elsewhere.
func TestFindingsAreShort(t *testing.T) {
	t.Parallel()
	d := sampleIssued()
	d.Modelo, d.Emitente.CNPJ, d.TipoEmissao = strings.Repeat("5", 5000), strings.Repeat("\xff", 5000), strings.Repeat("1", 5000)
	got := Validate(d, options())
	if len(got) == 0 {
		t.Fatal("no finding")
	}
	for _, f := range got {
		if utf8.RuneCountInString(f.Expected) > 200 || utf8.RuneCountInString(f.Actual) > 100 || !utf8.ValidString(f.Expected+f.Actual) {
			t.Errorf("%s at %s is long or no UTF-8", f.Rule, f.Path)
		}
	}
}

// A document full of mistakes has a bounded answer that says so.
func TestManyFindings(t *testing.T) {
	t.Parallel()
	d := sample()
	d.Itens = make([]Item, 100_000)
	got := Validate(d, options())
	if n := len(got); n != maxFindings+1 {
		t.Fatalf("got %d findings, want %d", n, maxFindings+1)
	}
	if last := got[maxFindings]; last.Rule != "findings.more" || !Blocked(got[maxFindings:]) {
		t.Errorf("the last finding is %+v", last)
	}
}

func TestBlockedAndUnstorable(t *testing.T) {
	t.Parallel()
	d := sample()
	d.DataEmissao = "2026-01-14T10:30:00-03:00"
	warned := Validate(d, options())
	if len(warned) != 1 || Blocked(warned) || len(Unstorable(warned)) != 0 {
		t.Errorf("a warning: %+v", warned)
	}
	d.ValorTotal = "16.00"
	d.Contrato = strings.Repeat("x", 61)
	wrong := Validate(d, options())
	if got, want := found(Unstorable(wrong)), []string{"text.length /contrato 225"}; !Blocked(wrong) || !slices.Equal(got, want) {
		t.Errorf("unstorable of %+v: got %q, want %q", wrong, got, want)
	}
}

// Validate changes nothing and says the same twice.
func TestValidateIsPure(t *testing.T) {
	t.Parallel()
	for _, m := range mutations() {
		of := m.of
		if of == nil {
			of = sample
		}
		d, same := of(), of()
		m.change(d)
		m.change(same)
		first := Validate(d, options())
		if diff := cmp.Diff(first, Validate(d, options())); diff != "" {
			t.Errorf("%s: twice: %s", m.name, diff)
		}
		if diff := cmp.Diff(same, d); diff != "" {
			t.Errorf("%s: changed: %s", m.name, diff)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(sampleJSON))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"itens":[{"numero_item":-1,"quantidade":"1e9"}],"referencias":[{"tipo":"1"}]}`))
	for _, d := range []*Document{sample(), sampleNFCe(), sampleIssued(), sampleParts(), sampleExport(), sampleReturn()} {
		text, err := d.AppendJSON(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Decode(body)
		if err != nil {
			return
		}
		for _, finding := range Validate(d, options()) {
			if finding.Path != "" && finding.Path[0] != '/' {
				t.Fatalf("%+v has no path", finding)
			}
			if utf8.RuneCountInString(finding.Expected) > 200 || utf8.RuneCountInString(finding.Actual) > 100 {
				t.Fatalf("%+v is long", finding)
			}
			if !utf8.ValidString(finding.Actual) || !utf8.ValidString(finding.Expected) {
				t.Fatalf("%+v is no UTF-8", finding)
			}
		}
		Normalize(d)
		again, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	for _, n := range []int{1, 100, 990} {
		b.Run(itoa(n), func(b *testing.B) {
			d := sampleOf(n)
			b.ReportAllocs()
			for b.Loop() {
				if len(Validate(d, options())) != 0 {
					b.Fatal("a good document has findings")
				}
			}
		})
	}
}
