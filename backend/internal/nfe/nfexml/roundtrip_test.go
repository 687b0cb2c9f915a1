package nfexml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/nfe"
)

// elsewhere are the members of a document for which the layout has no element, and
// why.
var elsewhere = map[string]string{
	"ID":                            "is of the row",
	"EmitterID":                     "is of a row",
	"RecipientID":                   "is of a row",
	"Itens.ProductID":               "is of a row",
	"Status":                        "is told by the protocol",
	"DataAutorizacao":               "is told by the protocol",
	"ProtocoloAutorizacao":          "is told by the protocol",
	"CodigoDenegacao":               "is told by the protocol",
	"ProtocoloCancelamento":         "is told by an event",
	"DataCancelamento":              "is told by an event",
	"MotivoCancelamento":            "is told by an event",
	"IssuedAt":                      "is of the row",
	"CreatedAt":                     "is of the row",
	"UpdatedAt":                     "is of the row",
	"Version":                       "is of the row",
	"Destinatario.NomeFantasia":     "has no element in dest",
	"Itens.IPI.ClasseEnquadramento": "has had no element since layout 4.00",
	"Itens.IPI.ModalidadeBC":        "has no element",
	"Itens.PIS.ModalidadeBC":        "has no element",
	"Itens.COFINS.ModalidadeBC":     "has no element",
	"Transporte.InformacoesFisco":   "has no element",
}

// fill gives every member of v a text of its own, and every list two entries.
func fill(v reflect.Value, path string, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, n)
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name := strings.TrimPrefix(path+"."+field.Name, ".")
			if field.Anonymous {
				name = path
			}
			if elsewhere[name] == "" {
				fill(v.Field(i), name, n)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[jsontext.Value]() {
			element := map[string]string{"IBSCBS": "IBSCBSTot", "Itens.IBSCBS": "IBSCBS"}[path]
			v.SetBytes(wrap(fmt.Sprintf("<%s><a>%d</a></%[1]s>", element, *n)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), path, n)
		}
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.String:
		v.SetString(fmt.Sprintf("<%d> & ä", *n))
		if v.Type() == reflect.TypeFor[nfe.Money]() || v.Type() == reflect.TypeFor[nfe.Decimal]() {
			v.SetString(fmt.Sprintf("%d.25", *n))
		}
	}
}

// full is an invoice in which everything is that XML can say at once.
func full(t *testing.T) *Invoice {
	t.Helper()
	d := &nfe.Document{}
	n := 0
	fill(reflect.ValueOf(d).Elem(), "", &n)
	d.Destinatario.CNPJ, d.Destinatario.CPF, d.Destinatario.TipoPessoa = "", "", "E"
	return &Invoice{Document: d, Signature: `<Signature xmlns="` + SignatureNamespace + `"><SignedInfo/></Signature>`}
}

// Everything that a document has and XML has a place for comes back as it was, in
// each variant of each tax and each kind of reference.
func TestEverythingComesBack(t *testing.T) {
	t.Parallel()
	invoice := full(t)
	d := invoice.Document
	first := d.Itens[0]
	d.Itens = nil
	for _, v := range icmsVariants {
		for situation := range strings.FieldsSeq(v.situations) {
			item := first
			item.NumeroItem = len(d.Itens) + 1
			item.ICMS = keep(*first.ICMS, icmsElements(v))
			item.ICMS.CST = situation
			d.Itens = append(d.Itens, item)
		}
	}
	for i := range d.Itens {
		ipi, pis, cofins := *first.IPI, *first.PIS, *first.COFINS
		ipi.CST, pis.CST, cofins.CST = []string{"00", "49", "50", "99"}[i%4], "49", "99"
		switch i % 3 {
		case 1:
			ipi = nfe.IPI{CST: "53", CNPJProdutor: ipi.CNPJProdutor, CodigoEnquadramento: "999"}
			pis = nfe.Contribution{CST: "01", ValorBC: "1.00", AliquotaPercentual: "2.00", Valor: "3.00"}
			cofins = nfe.Contribution{CST: "08"}
		case 2:
			pis = nfe.Contribution{CST: "03", QuantidadeVendida: "1.0000", AliquotaValor: "2.0000", Valor: "3.00"}
		}
		d.Itens[i].IPI, d.Itens[i].PIS, d.Itens[i].COFINS = &ipi, &pis, &cofins
	}
	d.Referencias = []nfe.Reference{
		{Tipo: nfe.ReferenceNFe, ChaveAcesso: "a"},
		{Tipo: nfe.ReferenceNF, UF: "SP", MesAno: "2601", CNPJ: "c", Modelo: "01", Serie: "1", Numero: "2"},
		{Tipo: nfe.ReferenceCTe, ChaveAcesso: "b"},
		{Tipo: nfe.ReferenceCupom, Modelo: "2D", Serie: "3", Numero: "4"},
	}
	for _, p := range []*Protocol{nil, {Ambiente: "2", Key: d.NfeID, At: "2026-01-02T03:04:05-03:00", Number: "1", Status: "100", Reason: "Autorizado"}} {
		invoice.Protocol = p
		got, err := Read(Write(invoice))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(invoice, got); diff != "" {
			t.Errorf("with protocol %v (-written +read):\n%s", p != nil, diff)
		}
	}
}

// keep returns the group with the members alone that a variant has elements for.
func keep(x nfe.ICMS, names []string) *nfe.ICMS {
	kept := nfe.ICMS{CodigoBeneficioFiscal: x.CodigoBeneficioFiscal}
	from, to := reflect.ValueOf(&x).Elem(), reflect.ValueOf(&kept).Elem()
	for i := range from.NumField() {
		if slices.Contains(names, from.Type().Field(i).Name) {
			to.Field(i).Set(from.Field(i))
		}
	}
	return &kept
}

// icmsElements names the members that a variant has, found by reading.
func icmsElements(v variant) (members []string) {
	var source strings.Builder
	for name := range strings.FieldsSeq(v.elements) {
		fmt.Fprintf(&source, "<%s>1.00</%[1]s>", name)
	}
	got, err := Read([]byte(`<NFe><infNFe><det><imposto><ICMS><` + v.name + `>` + source.String() + `</` + v.name + `></ICMS></imposto></det></infNFe></NFe>`))
	if err != nil {
		panic(err)
	}
	x := reflect.ValueOf(got.Document.Itens[0].ICMS).Elem()
	for i := range x.NumField() {
		if !x.Field(i).IsZero() {
			members = append(members, x.Type().Field(i).Name)
		}
	}
	return members
}

// What is said to be elsewhere is a member, and is not written.
func TestElsewhereIsNotWritten(t *testing.T) {
	t.Parallel()
	for path := range elsewhere {
		d := &nfe.Document{Itens: make([]nfe.Item, 1)}
		v := reflect.ValueOf(d).Elem()
		for name := range strings.SplitSeq(path, ".") {
			for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
				if v.Kind() == reflect.Slice {
					v = v.Index(0)
					continue
				}
				if v.IsNil() {
					v.Set(reflect.New(v.Type().Elem()))
				}
				v = v.Elem()
			}
			if v = v.FieldByName(name); !v.IsValid() {
				t.Fatalf("there is no %s", path)
			}
		}
		if v.Kind() == reflect.String {
			v.SetString("marked")
		}
		if text := string(Write(&Invoice{Document: d})); strings.Contains(text, "marked") {
			t.Errorf("%s is written: %s", path, text)
		}
	}
}
