package nfe

var taxRules = []Rule{
	{ID: "icms.regime", Severity: Error, Codes: []string{"590", "591"},
		Portuguese: "Emitente do Simples Nacional ou MEI usa CSOSN; os demais usam CST.",
		English:    "An emitter under Simples Nacional or MEI uses CSOSN; all others use CST."},
	{ID: "icms.value", Severity: Warning, Codes: []string{"528"},
		Portuguese: "O valor do ICMS difere de base vezes alíquota em mais de 0,01.",
		English:    "The value of ICMS differs from base times rate by more than 0.01."},
	{ID: "icms.nfce", Severity: Error, Codes: []string{"740", "766"},
		Portuguese: "A NFC-e não usa os CST 50 e 51.",
		English:    "An NFC-e does not use CST 50 and 51."},
	{ID: "pis.required", Severity: Error, Codes: []string{"745"},
		Portuguese: "O item da NF-e deve ter o grupo do PIS.",
		English:    "An item of an NF-e must have the group of PIS."},
	{ID: "cofins.required", Severity: Error, Codes: []string{"748"},
		Portuguese: "O item da NF-e deve ter o grupo da COFINS.",
		English:    "An item of an NF-e must have the group of COFINS."},
}
