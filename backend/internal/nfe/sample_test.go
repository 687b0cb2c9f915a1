package nfe

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/quagmt/udecimal"
)

// sampleTime is the reference time of the samples.
var sampleTime = time.Date(2026, 7, 14, 15, 0, 0, 0, time.UTC)

func sampleEmitter() *Emitter {
	return &Emitter{
		CNPJ: "11222333000181", RazaoSocial: "Padaria São João Ltda", InscricaoEstadual: "110042490114", RegimeTributario: "3",
		Address: Address{
			Logradouro: "Rua das Flores", Numero: "10", Bairro: "Centro", CodigoMunicipio: "3550308", Municipio: "São Paulo",
			UF: "SP", CEP: "01001000",
		},
	}
}

// sample is a good NF-e: a sale in São Paulo of three units for 15.00.
func sample() *Document {
	return &Document{
		Modelo: "55", Versao: "4.00", Ambiente: "1", Serie: "1", NaturezaOperacao: "Venda de mercadoria",
		TipoOperacao: "1", TipoEmissao: "1", Finalidade: "1", IDDestino: "1", IndicadorFinal: "0", IndicadorPresencial: "2",
		DataEmissao: "2026-07-14T10:30:00-03:00",
		Emitente:    sampleEmitter(),
		Destinatario: &Recipient{
			TipoPessoa: "J", CNPJ: "12ABC34501DE35", RazaoSocial: "Mercado Novo S.A.", IndicadorIE: "1", InscricaoEstadual: "110042490114",
			Address: Address{
				Logradouro: "Avenida Paulista", Numero: "1000", Bairro: "Bela Vista", CodigoMunicipio: "3550308", Municipio: "São Paulo",
				UF: "SP",
			},
		},
		Itens:         []Item{sampleItem(1)},
		ValorProdutos: "15.00", ValorTotal: "15.00",
		Transporte: &Transport{ModalidadeFrete: "9"},
		Pagamentos: []Payment{{FormaPagamento: "17", Valor: "15.00"}},
	}
}

func sampleItem(n int) Item {
	return Item{
		NumeroItem: n, Codigo: "PAO-" + strconv.Itoa(n), EAN: "7891000315507", Descricao: "Pão francês", NCM: "19059090", CFOP: "5102",
		Unidade: "KG", Quantidade: "3", ValorUnitario: "5.00", ValorTotal: "15.00", IndicadorTotal: "1",
		ICMS:   &ICMS{Origem: "0", CST: "00", ModalidadeBC: "3", ValorBC: "15.00", Aliquota: "18", Valor: "2.70"},
		PIS:    &Contribution{CST: "01", ValorBC: "15.00", AliquotaPercentual: "1.65", Valor: "0.25"},
		COFINS: &Contribution{CST: "01", ValorBC: "15.00", AliquotaPercentual: "7.6", Valor: "1.14"},
	}
}

// sampleNFCe is a good NFC-e without a recipient: 1.00, paid with 1.10.
func sampleNFCe() *Document {
	d := sample()
	d.Modelo, d.IndicadorFinal, d.IndicadorPresencial, d.Destinatario = "65", "1", "1", nil
	item := &d.Itens[0]
	item.Quantidade, item.ValorUnitario, item.ValorTotal = "1", "1.00", "1.00"
	item.ICMS = &ICMS{Origem: "0", CST: "60"}
	d.ValorProdutos, d.ValorTotal, d.ValorTroco = "1.00", "1.00", "0.10"
	d.Pagamentos = []Payment{{FormaPagamento: "01", Valor: "1.10"}}
	return d
}

// sampleOf has so many items.
func sampleOf(n int) *Document {
	d := sample()
	d.Itens = nil
	for i := range n {
		d.Itens = append(d.Itens, sampleItem(i+1))
	}
	d.ValorProdutos = Money(fmt.Sprintf("%d.00", 15*n))
	d.ValorTotal, d.Pagamentos[0].Valor = d.ValorProdutos, d.ValorProdutos
	return d
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func cents(n int) Money { return Money(fmt.Sprintf("%d.%02d", n/100, n%100)) }

func digitsText(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

func randomCNPJ(r *rand.Rand) string {
	base := make([]byte, 12)
	for i := range base {
		base[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(36)]
	}
	last, _ := CNPJDigits(string(base))
	return string(base) + last
}

func randomCPF(r *rand.Rand) string {
	for {
		s := digitsText(r, 9)
		s += string(cpfDigit(s))
		s += string(cpfDigit(s))
		if ValidCPF(s) {
			return s
		}
	}
}

// randomPlace returns a state and the code of a municipality in it.
func randomPlace(r *rand.Rand) (uf, municipio string) {
	for {
		code := fmt.Sprintf("%02d", r.IntN(100))
		if uf := UFOfCode(code); uf != "" {
			for s := code + digitsText(r, 4); ; {
				for d := byte('0'); d <= '9'; d++ {
					if ValidMunicipio(s + string(d)) {
						return uf, s + string(d)
					}
				}
			}
		}
	}
}

// generate makes a good document of any shape that the rules allow.
func generate(r *rand.Rand) *Document {
	if r.IntN(4) == 0 {
		return generateNFCe(r)
	}
	d := sample()
	e := d.Emitente
	e.RegimeTributario = pick(r, "1", "2", "3", "4")
	e.UF, e.CodigoMunicipio = randomPlace(r)
	if r.IntN(5) == 0 {
		e.CNPJ, e.CPF, d.Serie = "", randomCPF(r), strconv.Itoa(920+r.IntN(50))
	} else {
		e.CNPJ, d.Serie = randomCNPJ(r), strconv.Itoa(r.IntN(890))
	}
	d.TipoOperacao, d.IDDestino, d.Finalidade = pick(r, "0", "1"), pick(r, "1", "2", "3"), pick(r, "1", "1", "2", "3", "4")
	generateRecipient(r, d)
	for i := range d.Itens {
		d.Itens[i].NumeroItem = i + 1
	}
	generateItems(r, d)
	if d.Finalidade == "2" || d.Finalidade == "4" {
		d.Referencias = []Reference{{Tipo: ReferenceNFe, ChaveAcesso: goodKey}}
	}
	if d.Finalidade == "3" || d.Finalidade == "4" {
		d.Pagamentos = []Payment{{FormaPagamento: "90", Valor: "0.00"}}
	}
	return d
}

func generateNFCe(r *rand.Rand) *Document {
	d := sampleNFCe()
	d.TipoEmissao = pick(r, "1", "9")
	if d.TipoEmissao == "9" {
		d.JustificativaContingencia = "Sem conexão com a internet"
	}
	if r.IntN(2) == 0 {
		d.Destinatario = &Recipient{CPF: randomCPF(r), IndicadorIE: "9", RazaoSocial: pick(r, "", "Maria da Silva")}
	}
	generateItems(r, d)
	return d
}

func generateRecipient(r *rand.Rand, d *Document) {
	to := d.Destinatario
	d.IndicadorFinal = pick(r, "0", "1")
	to.UF, to.CodigoMunicipio = d.Emitente.UF, d.Emitente.CodigoMunicipio
	switch d.IDDestino {
	case "2":
		for to.UF == d.Emitente.UF {
			to.UF, to.CodigoMunicipio = randomPlace(r)
		}
	case "3":
		*to = Recipient{TipoPessoa: "E", IDEstrangeiro: "PASS1234", RazaoSocial: "Acme Inc.", IndicadorIE: "9", Address: to.Address}
		to.UF, to.CodigoMunicipio, to.CodigoPais, to.Pais = Abroad, MunicipioAbroad, "2496", "Estados Unidos"
		return
	}
	to.CNPJ = randomCNPJ(r)
	switch r.IntN(3) {
	case 0:
		to.TipoPessoa, to.CNPJ, to.CPF = "F", "", randomCPF(r)
		to.IndicadorIE, to.InscricaoEstadual, d.IndicadorFinal = "9", "", "1"
	case 1:
		to.IndicadorIE, to.InscricaoEstadual = "2", ""
	}
}

// generateItems gives a document lines with taxes and amounts of all kinds, and
// the totals and payments that go with them.
func generateItems(r *rand.Rand, d *Document) {
	first := map[string]string{"01": "1", "02": "2", "03": "3", "11": "5", "12": "6", "13": "7"}[d.TipoOperacao+d.IDDestino]
	n := 1 + r.IntN(8)
	d.Itens = make([]Item, n)
	var total udecimal.Decimal
	for i := range d.Itens {
		item := sampleItem(i + 1)
		item.CFOP = first + digitsText(r, 3)
		quantity, price := 1+r.IntN(1_000_000), r.IntN(1_000_000_000)
		item.Quantidade = Decimal(fmt.Sprintf("%d.%04d", quantity/10_000, quantity%10_000))
		item.ValorUnitario = Decimal(fmt.Sprintf("%d.%010d", r.IntN(1000), price))
		q, _ := item.Quantidade.Number()
		p, _ := item.ValorUnitario.Number()
		item.ValorTotal = Cents(q.Mul(p))
		item.ICMS = generateICMS(r, d, item.ValorTotal)
		item.ValorFrete, item.ValorSeguro, item.ValorOutrasDespesas = cents(r.IntN(500)), cents(r.IntN(50)), cents(r.IntN(50))
		if d.Modelo == ModeloNFe {
			item.IndicadorTotal = pick(r, "1", "1", "0")
			item.ValorII = cents(r.IntN(100))
			item.IPI = &IPI{CST: "50", ValorBC: item.ValorTotal, Aliquota: "5", Valor: cents(r.IntN(1000))}
		}
		d.Itens[i] = item
	}
	s := Sum(d.Itens)
	if r.IntN(2) == 0 { // a discount that the products bear
		if v, _ := d.Itens[0].ValorTotal.Number(); d.Itens[0].IndicadorTotal == "1" && v.GreaterThan(udecimal.One) {
			d.Itens[0].ValorDesconto = "0.50"
			s = Sum(d.Itens)
		}
	}
	d.ValorProdutos, d.ValorDesconto = Cents(s.Produtos), Cents(s.Desconto)
	d.ValorFrete, d.ValorSeguro, d.ValorOutrasDespesas = Cents(s.Frete), Cents(s.Seguro), Cents(s.OutrasDespesas)
	d.ValorII, d.ValorIPI, d.ValorST, d.ValorFCPST = Cents(s.II), Cents(s.IPI), Cents(s.ST), Cents(s.FCPST)
	d.ValorICMSDesonerado = Cents(s.ICMSDesonerado)
	for _, part := range []udecimal.Decimal{s.Produtos, s.Frete, s.Seguro, s.OutrasDespesas, s.II, s.IPI, s.ST, s.FCPST} {
		total = total.Add(part)
	}
	total = total.Sub(s.Desconto)
	if r.IntN(2) == 0 && !total.LessThan(s.ICMSDesonerado) {
		total = total.Sub(s.ICMSDesonerado)
	}
	d.ValorTotal = Cents(total)
	d.ValorTroco = ""
	d.Pagamentos = []Payment{{FormaPagamento: pick(r, "01", "15", "16", "17", "18", "20", "91"), Valor: d.ValorTotal}}
	if d.Finalidade == "1" && r.IntN(3) == 0 {
		d.Pagamentos = append(d.Pagamentos, Payment{FormaPagamento: "01", Valor: "20.00"})
		d.ValorTroco = "20.00"
	}
}

func generateICMS(r *rand.Rand, d *Document, base Money) *ICMS {
	t := &ICMS{Origem: strconv.Itoa(r.IntN(9))}
	if c := d.Emitente.RegimeTributario; c == "1" || c == "4" {
		t.CST = pick(r, icmsCSOSNs.values...)
		return t
	}
	t.CST = pick(r, "00", "20", "40", "41", "60", "90")
	switch t.CST {
	case "00", "20", "90":
		rate := Decimal(pick(r, "4", "7", "12", "18", "18.5", "19.25"))
		b, _ := base.Number()
		p, _ := rate.Number()
		t.ModalidadeBC, t.ValorBC, t.Aliquota, t.Valor = "3", base, rate, Cents(percent(b, p))
	case "40":
		t.ValorDesonerado, t.MotivoDesoneracao = cents(r.IntN(100)), "9"
	}
	return t
}
