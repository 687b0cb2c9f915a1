package nfe

import "github.com/quagmt/udecimal"

// taxes checks the groups of a line's taxes.
func (c *checker) taxes(d *Document, index int, i *Item, s *sums) {
	if i.ICMS != nil {
		c.in("itens", index, "icms")
		c.icms(d, i, s)
	} else if !i.Service() {
		c.add("required", "icms", "", "", "")
	}
	if i.IPI != nil {
		c.in("itens", index, "ipi")
		c.ipi(i.IPI, s)
		if d.Modelo == ModeloNFCe {
			c.add("nfce.field", "", "", "", "742")
		}
	}
	// Complements, adjustments and returns may leave these two out.
	must := d.Modelo == ModeloNFe && d.Finalidade == "1"
	c.contribution("pis", "pis.required", must, index, i.PIS)
	c.contribution("cofins", "cofins.required", must, index, i.COFINS)
}

func (c *checker) icms(d *Document, i *Item, s *sums) {
	t := i.ICMS
	c.code("origem", t.Origem, origins)
	c.icmsCST(d, t.CST)
	c.enum("modalidade_bc", t.ModalidadeBC, icmsBases)
	c.enum("modalidade_bc_st", t.ModalidadeBCST, icmsBasesST)
	c.enum("motivo_desoneracao", t.MotivoDesoneracao, exemptionReasons)
	c.line("codigo_beneficio_fiscal", t.CodigoBeneficioFiscal, 1, 10)

	base, rate, value := c.money("valor_bc", t.ValorBC), c.rate("aliquota", t.Aliquota), c.money("valor", t.Valor)
	if computed(t.CST) && base.given && rate.given && base.sound && rate.sound && value.sound {
		want := percent(base.Decimal, rate.Decimal)
		if apart(want, value.Decimal) {
			c.add("icms.value", "valor", want.StringFixed(2), string(t.Valor), "")
		}
	}
	c.rate("percentual_reducao_bc", t.PercentualReducaoBC)
	c.rate("percentual_diferimento", t.PercentualDiferimento)
	c.rate("percentual_mva_st", t.PercentualMVAST)
	c.rate("percentual_reducao_bc_st", t.PercentualReducaoBCST)
	c.money("valor_bc_st", t.ValorBCST)
	c.rate("aliquota_st", t.AliquotaST)
	st := c.money("valor_st", t.ValorST)
	s.st.add(st)
	s.fcpST.add(c.money("valor_fcp_st", t.ValorFCPST))
	s.desonerado.add(c.money("valor_desonerado", t.ValorDesonerado))
	c.rate("percentual_reducao_bc_efetiva", t.PercentualReducaoBCEfetiva)
	c.money("valor_bc_efetiva", t.ValorBCEfetiva)
	c.rate("aliquota_efetiva", t.AliquotaEfetiva)
	c.money("valor_efetivo", t.ValorEfetivo)
	if st.sound && !st.IsZero() && i.CEST == "" {
		c.group = ""
		c.add("cest.required", "cest", "", "", "")
	}
}

// icmsCST checks the tax situation against the emitter's regime.
func (c *checker) icmsCST(d *Document, cst string) {
	if !c.need("cst", cst) {
		return
	}
	isCST, isCSOSN := icmsCSTs.has(cst), icmsCSOSNs.has(cst)
	if !isCST && !isCSOSN {
		c.add("code.unknown", "cst", icmsCSTs.text+", "+icmsCSOSNs.text, cst, "")
		return
	}
	if d.Emitente != nil && regimes.has(d.Emitente.RegimeTributario) {
		simples := d.Emitente.RegimeTributario == "1" || d.Emitente.RegimeTributario == "4"
		switch {
		case simples && isCST && !monophasic(cst):
			c.add("icms.regime", "cst", icmsCSOSNs.text, cst, "590")
		case !simples && isCSOSN:
			c.add("icms.regime", "cst", icmsCSTs.text, cst, "591")
		}
	}
	if d.Modelo == ModeloNFCe {
		switch cst {
		case "50":
			c.add("icms.nfce", "cst", "", cst, "766")
		case "51":
			c.add("icms.nfce", "cst", "", cst, "740")
		}
	}
}

// monophasic reports whether a CST is one of fuel taxed once, which emitters of
// every regime use.
func monophasic(cst string) bool { return cst == "02" || cst == "15" || cst == "53" || cst == "61" }

// computed reports whether the value of ICMS follows from base and rate alone.
func computed(cst string) bool {
	return cst == "00" || cst == "10" || cst == "20" || cst == "70" || cst == "90"
}

var oneCent = udecimal.MustParse("0.01")

// percent is a rate of a base, rounded half up to centavos.
func percent(base, rate udecimal.Decimal) udecimal.Decimal {
	return base.Mul(rate).Mul(oneCent).RoundHAZ(2) // times 0.01, not by 100: exact
}

// apart reports whether two amounts differ by more than one centavo.
func apart(a, b udecimal.Decimal) bool { return a.Sub(b).Abs().GreaterThan(oneCent) }
