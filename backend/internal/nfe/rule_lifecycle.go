package nfe

var lifecycleRules = []Rule{
	{ID: "protocol.form", Severity: Error, Form: true,
		Portuguese: "O protocolo não tem 15 algarismos.",
		English:    "The protocol is not 15 digits."},
	{ID: "numbering.kept", Severity: Error,
		Portuguese: "O documento já tem número; o campo que determina a numeração não pode mudar.",
		English:    "The document has a number; a field that numbering goes by cannot change."},
	{ID: "cancel.window", Severity: Error, Codes: []string{"501"},
		Portuguese: "O cancelamento está fora do prazo após a autorização.",
		English:    "The cancellation is outside its time after the authorization."},
	{ID: "void.order", Severity: Error, Codes: []string{"224"},
		Portuguese: "O número final da faixa é menor que o inicial.",
		English:    "The last number of the range is below the first."},
	{ID: "void.size", Severity: Error, Codes: []string{"201"},
		Portuguese: "A faixa tem números demais.",
		English:    "The range has too many numbers."},
}
