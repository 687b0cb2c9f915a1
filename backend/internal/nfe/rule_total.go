package nfe

var totalRules = []Rule{
	{ID: "total.products", Severity: Error, Codes: []string{"564"},
		Portuguese: "O total dos produtos difere da soma dos itens que o compõem.",
		English:    "The total of products differs from the sum of the items that count in it."},
	{ID: "total.services", Severity: Error, Codes: []string{"605"},
		Portuguese: "O total dos serviços difere da soma dos itens de serviço.",
		English:    "The total of services differs from the sum of the items that are services."},
	{ID: "total.items", Severity: Error, Codes: []string{"795", "534", "535", "536", "537", "538", "601", "604", "863"},
		Portuguese: "O total difere da soma dos itens.",
		English:    "The total differs from the sum of the items."},
	{ID: "total.discount", Severity: Error,
		Portuguese: "O desconto é maior que os produtos e serviços.",
		English:    "The discount is more than the products and services."},
	{ID: "total.sum", Severity: Error, Codes: []string{"610"},
		Portuguese: "O valor total difere da soma dos valores que o compõem.",
		English:    "The total differs from the sum of the amounts that make it up."},
}
