package nfe

var referenceRules = []Rule{
	{ID: "reference.required", Severity: Error, Codes: []string{"254", "321"},
		Portuguese: "A nota complementar referencia uma NF-e; a de devolução, ao menos um documento.",
		English:    "A complementary document refers to one NF-e; a return to at least one document."},
	{ID: "reference.single", Severity: Error, Codes: []string{"255"},
		Portuguese: "A nota complementar referencia uma só NF-e.",
		English:    "A complementary document refers to one NF-e only."},
	{ID: "reference.repeated", Severity: Error, Codes: []string{"680", "681", "684"},
		Portuguese: "O documento já está referenciado.",
		English:    "The document is referred to already."},
	{ID: "reference.self", Severity: Error, Codes: []string{"316"},
		Portuguese: "O documento referencia a si mesmo.",
		English:    "The document refers to itself."},
	{ID: "reference.nfce", Severity: Error, Codes: []string{"708"},
		Portuguese: "A NFC-e não referencia documentos.",
		English:    "An NFC-e refers to no document."},
	{ID: "reference.unexpected", Severity: Error,
		Portuguese: "O campo não existe neste tipo de referência.",
		English:    "This kind of reference does not have the field."},
}
