package nfe

var paymentRules = []Rule{
	{ID: "payment.description", Severity: Error, Codes: []string{"441"},
		Portuguese: "A forma de pagamento 99 exige descrição, e só ela a tem.",
		English:    "Form of payment 99 needs a description, and only it has one."},
	{ID: "payment.none", Severity: Error, Codes: []string{"904"},
		Portuguese: "A forma 90 (sem pagamento) tem valor zero e fica sozinha.",
		English:    "Form 90 (no payment) has the value zero and stands alone."},
	{ID: "payment.purpose", Severity: Error, Codes: []string{"871"},
		Portuguese: "Notas de ajuste e de devolução usam a forma 90 (sem pagamento).",
		English:    "Adjustments and returns use form 90 (no payment)."},
	{ID: "payment.short", Severity: Error, Codes: []string{"865"},
		Portuguese: "Os pagamentos somam menos que o valor total.",
		English:    "The payments are less than the total."},
	{ID: "payment.change", Severity: Error, Codes: []string{"866"},
		Portuguese: "O troco difere do que os pagamentos passam do valor total.",
		English:    "The change differs from what the payments exceed the total by."},
	{ID: "payment.card", Severity: Warning, Codes: []string{"391"},
		Portuguese: "O pagamento com cartão deve informar o tipo de integração.",
		English:    "A payment by card should say how it is integrated."},
}
