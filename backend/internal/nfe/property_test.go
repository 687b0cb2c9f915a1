package nfe

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quagmt/udecimal"
)

// spoilers spoil a good document of any shape, and say what it then breaks. One
// that does not apply to a document returns nothing.
var spoilers = map[string]func(*Document) []string{
	"digit of the emitter": func(d *Document) []string {
		id, want := &d.Emitente.CNPJ, "cnpj.digit /emitente/cnpj 207"
		if *id == "" {
			id, want = &d.Emitente.CPF, "cpf.digit /emitente/cpf 401"
		}
		n := len(*id) - 1
		*id = (*id)[:n] + string('0'+((*id)[n]-'0'+1)%10)
		return []string{want}
	},
	"municipality": func(d *Document) []string {
		m := &d.Emitente.CodigoMunicipio
		*m = (*m)[:6] + string('0'+((*m)[6]-'0'+1)%10)
		if ValidMunicipio(*m) { // one of the nine
			return nil
		}
		return []string{"municipio.digit /emitente/codigo_municipio 272"}
	},
	"total, one centavo more": func(d *Document) []string {
		if d.IDDestino == "3" && d.TipoOperacao == "0" {
			return nil // an import
		}
		d.ValorTotal = moved(d.ValorTotal, "0.01")
		want := []string{"total.sum /valor_total 610"}
		if d.Pagamentos[0].FormaPagamento == paymentNone {
			return want
		}
		if d.ValorTroco == "" {
			return append(want, "payment.short /pagamentos 865")
		}
		return append(want, "payment.change /valor_troco 866")
	},
	"freight, one centavo more": func(d *Document) []string {
		d.Itens[0].ValorFrete = moved(d.Itens[0].ValorFrete, "0.01")
		return []string{"total.items /valor_frete 535"}
	},
	"item, two centavos more": func(d *Document) []string {
		if d.Itens[0].IndicadorTotal == "0" || d.Finalidade == "2" || d.Finalidade == "3" {
			return nil
		}
		d.Itens[0].ValorTotal = moved(d.Itens[0].ValorTotal, "0.02")
		return []string{"item.total /itens/0/valor_total 629", "total.products /valor_produtos 564"}
	},
	"first digit of the CFOP": func(d *Document) []string {
		c := &d.Itens[len(d.Itens)-1].CFOP
		*c = "4" + (*c)[1:]
		return []string{"cfop.form /itens/" + itoa(len(d.Itens)-1) + "/cfop 225"}
	},
	"quantity without number": func(d *Document) []string {
		d.Itens[0].Quantidade = "NaN"
		return []string{"decimal.form /itens/0/quantidade 225"}
	},
	"item twice": func(d *Document) []string {
		if len(d.Itens) < 2 {
			return nil
		}
		d.Itens[1].NumeroItem = d.Itens[0].NumeroItem
		return []string{"list.repeated /itens/1/numero_item"}
	},
	"regime": func(d *Document) []string {
		simples := d.Emitente.RegimeTributario == "1" || d.Emitente.RegimeTributario == "4"
		want, code := []string(nil), "591"
		d.Emitente.RegimeTributario = "3"
		if !simples {
			d.Emitente.RegimeTributario, code = "1", "590"
		}
		for i := range d.Itens {
			want = append(want, "icms.regime /itens/"+itoa(i)+"/icms/cst "+code)
		}
		return want
	},
	"no freight": func(d *Document) []string {
		d.Transporte.ModalidadeFrete = ""
		return []string{"required /transporte/modalidade_frete 225"}
	},
}

func moved(m Money, by string) Money {
	d, _ := m.Number()
	return Cents(d.Add(udecimal.MustParse(by)))
}

// Every spoiled document has exactly the findings that its spoiler names.
func TestSpoiledDocuments(t *testing.T) {
	t.Parallel()
	applied := map[string]int{}
	for seed := range uint64(400) {
		for name, spoil := range spoilers {
			d := generate(rand.New(rand.NewPCG(seed, 11))) //nolint:gosec // the same documents in each run
			want := spoil(d)
			if want == nil {
				continue
			}
			applied[name]++
			if got := found(Validate(d, options())); !slices.Equal(got, want) {
				text, _ := d.AppendJSON(nil)
				t.Fatalf("seed %d, %s: got %q, want %q\n%s", seed, name, got, want, text)
			}
		}
	}
	for name := range spoilers {
		if applied[name] < 100 {
			t.Errorf("%s was applied %d times", name, applied[name])
		}
	}
}

// A document that is issued, written as JSON and read again is the same, and still
// has no finding.
func TestIssuedDocumentsSurviveJSON(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 12)) //nolint:gosec // the same documents in each run
		d := generate(r)
		numero := itoa(1 + r.IntN(999_999_999))
		code := digitsText(r, 8)
		for !validCode(code) || code == zeros(numero, 8) {
			code = digitsText(r, 8)
		}
		if err := Issue(d, Numbering{d.Serie, numero, code}, sampleTime); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if faults := CheckKey(d.NfeID); faults != 0 {
			t.Fatalf("seed %d: key %s breaks %q", seed, d.NfeID, faults.Rules())
		}
		text, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got := Validate(again, options()); len(got) > 0 {
			t.Fatalf("seed %d: %+v\n%s", seed, got, text)
		}
		if twice, _ := again.AppendJSON(nil); string(twice) != string(text) {
			t.Fatalf("seed %d: %s\nis not %s", seed, twice, text)
		}
	}
}
