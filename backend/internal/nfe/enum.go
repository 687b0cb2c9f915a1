package nfe

import (
	"slices"
	"strings"
)

// An enumeration is the list of values that a code may have.
type enumeration struct {
	values []string
	text   string // as findings show it
}

func enum(values string) enumeration {
	list := strings.Fields(values)
	return enumeration{values: list, text: strings.Join(list, ", ")}
}

func (e enumeration) has(s string) bool { return slices.Contains(e.values, s) }

var (
	statuses            = enum("draft authorized cancelled denied")
	modelos             = enum("55 65")
	environments        = enum("1 2")
	operations          = enum("0 1")
	emissions           = enum("1 2 3 4 5 6 7 9")
	purposes            = enum("1 2 3 4")
	purposesNT2025002   = enum("1 2 3 4 5 6")
	presences           = enum("0 1 2 3 4 5 9")
	destinations        = enum("1 2 3")
	yesNo               = enum("0 1")
	taxpayerKinds       = enum("1 2 9")
	personKinds         = enum("F J E")
	regimes             = enum("1 2 3 4")
	freights            = enum("0 1 2 3 4 9")
	paymentTimes        = enum("0 1")
	paymentForms        = enum("01 02 03 04 05 10 11 12 13 15 16 17 18 19 20 21 22 90 91 99")
	integrations        = enum("1 2")
	referenceKinds      = enum("0 1 2 3")
	referenceModelosNF  = enum("01 02 1 1A 02 04")
	referenceModelosECF = enum("2B 2C 2D")
	origins             = enum("0 1 2 3 4 5 6 7 8")
	icmsCSTs            = enum("00 02 10 15 20 30 40 41 50 51 53 60 61 70 90")
	icmsCSOSNs          = enum("101 102 103 201 202 203 300 400 500 900")
	icmsBases           = enum("0 1 2 3")
	icmsBasesST         = enum("0 1 2 3 4 5 6")
	ipiCSTs             = enum("00 01 02 03 04 05 49 50 51 52 53 54 55 99")
	contributionCSTs    = enum("01 02 03 04 05 06 07 08 09 49 50 51 52 53 54 55 56 60 61 62 63 64 65 66 67 70 71 72 73 74 75 98 99")
	exemptionReasons    = enum("1 2 3 4 5 6 7 8 9 10 11 12 16 90")
)
