package danfe

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/boombuler/barcode/code128"

	"gatehouse/backend/internal/nfe"
)

const key = "35260711222333000181550010000001231482193759"

// invoice is an authorized NF-e with so many items.
func invoice(items int) *nfe.Document {
	d := &nfe.Document{
		NfeID: key, Status: nfe.Authorized, ProtocoloAutorizacao: "135260000000001", DataAutorizacao: "2026-07-14T10:31:00-03:00",
		Modelo: "55", Ambiente: "1", Serie: "1", Numero: "123", NaturezaOperacao: "Venda de mercadoria", TipoOperacao: "1",
		DataEmissao: "2026-07-14T10:30:00-03:00", DataSaidaEntrada: "2026-07-14T18:00:00-03:00",
		Emitente: &nfe.Emitter{
			CNPJ: "11222333000181", RazaoSocial: "Padaria São João Ltda", InscricaoEstadual: "110042490114",
			Address: nfe.Address{Logradouro: "Rua das Flores", Numero: "10", Bairro: "Centro", Municipio: "São Paulo", UF: "SP", CEP: "01001000", Telefone: "1133334444"},
		},
		Destinatario: &nfe.Recipient{
			CNPJ: "12ABC34501DE35", RazaoSocial: "Mercado Novo S.A.", InscricaoEstadual: "110042490114",
			Address: nfe.Address{Logradouro: "Avenida Paulista", Numero: "1000", Bairro: "Bela Vista", Municipio: "São Paulo", UF: "SP", CEP: "01310100"},
		},
		ValorProdutos: "1234567.80", ValorFrete: "12.00", ValorTotal: "1234579.80", ValorImpostos: "4.09",
		Transporte: &nfe.Transport{ModalidadeFrete: "0", RazaoSocial: "Transportes Exemplo", CNPJ: "42318949000184", PlacaVeiculo: "ABC1D23", UFVeiculo: "SP",
			Volumes: []nfe.Volume{{Quantidade: "2", Especie: "caixa", PesoLiquido: "1.5", PesoBruto: "1.75"}}},
		Pagamentos:            []nfe.Payment{{FormaPagamento: "17", Valor: "1234579.80"}},
		InformacoesAdicionais: "Pedido 77. Entregar pela manhã.",
		InformacoesFiscais:    []nfe.FiscalInfo{{Campo: "Vendedor", Texto: "Ana"}},
	}
	for i := range items {
		d.Itens = append(d.Itens, nfe.Item{
			NumeroItem: i + 1, Codigo: fmt.Sprintf("PAO-%d.", i+1), Descricao: "Pão francês de fermentação natural, assado em forno a lenha", NCM: "19059090", CFOP: "5102",
			Unidade: "KG", Quantidade: "1234.5", ValorUnitario: "5.00", ValorTotal: "6172.50", IndicadorTotal: "1",
			ICMS: &nfe.ICMS{Origem: "0", CST: "00", ValorBC: "15.00", Valor: "2.70"},
		})
	}
	return d
}

var shown = regexp.MustCompile(`\(((?:[^()\\]|\\.)*)\) ?Tj`)

// texts returns what a PDF that is not compressed shows, in UTF-8, page by page.
func texts(t *testing.T, d *nfe.Document) []string {
	t.Helper()
	pdf, err := render(d, false)
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for part := range bytes.SplitSeq(pdf, []byte("endstream")) {
		var page strings.Builder
		for _, m := range shown.FindAllSubmatch(part, -1) {
			for _, b := range m[1] {
				page.WriteRune(rune(b)) // the characters that are used here are those of Latin-1
			}
			page.WriteByte('\n')
		}
		if page.Len() > 0 {
			pages = append(pages, strings.NewReplacer(`\(`, "(", `\)`, ")", `\\`, `\`).Replace(page.String()))
		}
	}
	return pages
}

func TestWhatIsShown(t *testing.T) {
	t.Parallel()
	pages := texts(t, invoice(3))
	if len(pages) != 1 {
		t.Fatalf("%d pages, want 1", len(pages))
	}
	for _, want := range []string{
		"Padaria São João Ltda", "CNPJ 11222333000181", "Nº 000.000.123", "Série 1", "1 - Saída", "Folha 1/1",
		"3526 0711 2223 3300 0181 5500 1000 0001 2314 8219 3759", "135260000000001 - 14/07/2026 10:31:00",
		"Mercado Novo S.A.", "12ABC34501DE35", "1.234.579,80", "0 - Emitente (CIF)", "ABC1D23 SP", "1,500", "PAO-3.", "1.234,5",
		"17 - PIX dinâmico", "Pedido 77. Entregar pela manhã.", "Vendedor: Ana", "R$ 4,09",
	} {
		if !strings.Contains(pages[0], want) {
			t.Errorf("%q is not shown:\n%s", want, pages[0])
		}
	}
	if strings.Contains(pages[0], "SEM VALOR") {
		t.Error("an authorized invoice is said to be worth nothing")
	}
}

// Each item is shown once, on pages that all say whose they are and how many.
func TestManyItems(t *testing.T) {
	t.Parallel()
	pages := texts(t, invoice(nfe.MaxItems))
	all := strings.Join(pages, "")
	for i := 1; i <= nfe.MaxItems; i++ {
		if n := strings.Count(all, fmt.Sprintf("PAO-%d.", i)); n != 1 {
			t.Errorf("item %d is shown %d times", i, n)
		}
	}
	if len(pages) < 10 {
		t.Errorf("%d pages", len(pages))
	}
	for i, page := range pages {
		for _, want := range []string{fmt.Sprintf("Folha %d/%d", i+1, len(pages)), "Nº 000.000.123", "DESCRIÇÃO"} {
			if !strings.Contains(page, want) && (want != "DESCRIÇÃO" || i < len(pages)-1) {
				t.Errorf("page %d has no %q", i+1, want)
			}
		}
	}
}

// What is worth nothing says so on every page.
func TestNotValid(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*nfe.Document){
		"RASCUNHO SEM VALOR FISCAL":    func(d *nfe.Document) { d.Status, d.NfeID = nfe.Draft, "" },
		"CANCELADA":                    func(d *nfe.Document) { d.Status = nfe.Cancelled },
		"DENEGADA":                     func(d *nfe.Document) { d.Status = nfe.Denied },
		"HOMOLOGAÇÃO SEM VALOR FISCAL": func(d *nfe.Document) { d.Ambiente = "2" },
	} {
		d := invoice(100)
		change(d)
		for i, page := range texts(t, d) {
			if !strings.Contains(page, want) {
				t.Errorf("page %d has no %q", i+1, want)
			}
		}
	}
}

// The bars are those of Code 128 of the key, wide as it says.
func TestBars(t *testing.T) {
	t.Parallel()
	for _, k := range []string{key, "35260712ABC34501DE35550010000001231482193750"} {
		d := invoice(1)
		d.NfeID = k
		pdf, err := render(d, false)
		if err != nil {
			t.Fatal(err)
		}
		code, err := code128.Encode(k)
		if err != nil {
			t.Fatal(err)
		}
		want, before := 0, false
		for x := range code.Bounds().Dx() {
			now := black(code.At(x, 0))
			if now && !before {
				want++
			}
			before = now
		}
		// 14 mm are 39.69 points, downwards.
		if got := bytes.Count(pdf, []byte(" -39.69 re f")); got != want || want < 70 {
			t.Errorf("%s: %d bars, want %d", k, got, want)
		}
	}
}

// The same document is the same bytes, and nothing in one makes drawing fail.
func TestAnyDocument(t *testing.T) {
	t.Parallel()
	hostile := strings.Repeat("(\\)\x00\n\t漢字 ☃ \u202e{nb}", 200)
	d := invoice(2)
	d.Emitente.RazaoSocial, d.InformacoesAdicionais, d.Itens[0].Descricao, d.NfeID = hostile, hostile, hostile, "ключ"
	d.Itens[0].Quantidade, d.ValorTotal, d.DataEmissao, d.Numero = "NaN", "-1e9", "yesterday", hostile
	for _, d := range []*nfe.Document{{}, invoice(0), d, {Modelo: nfe.ModeloNFCe, Itens: make([]nfe.Item, 3)}} {
		first, err := Render(d)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Render(d)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("not the same twice, error %v", err)
		}
		if !bytes.HasPrefix(first, []byte("%PDF-")) {
			t.Errorf("no PDF: %.20q", first)
		}
	}
	if directory := os.Getenv("GATEHOUSE_SCREENSHOTS"); directory != "" {
		pdf, err := Render(invoice(60))
		if err == nil {
			err = os.WriteFile(directory+"/danfe.pdf", pdf, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for value, want := range map[nfe.Decimal]string{
		"": "", "0": "0,00", "5": "5,00", "1234.5": "1.234,50", "1.1298099798": "1,1298099798", "-1234567.891": "-1.234.567,891", "NaN": "NaN",
	} {
		if got := decimal(value, 2); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	d := invoice(100)
	for b.Loop() {
		if _, err := Render(d); err != nil {
			b.Fatal(err)
		}
	}
}
