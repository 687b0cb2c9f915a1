// Command findings writes docs/nfe-findings.md, the rules that invoices are held
// to. `make generate` runs it, and `make verify` fails when its output is stale.
package main

import (
	"fmt"
	"os"

	"gatehouse/backend/internal/nfe"
)

//go:generate go run .

const head = `# Findings about invoices

Validation answers with *findings*: everything that is wrong with an NF-e (modelo 55) or NFC-e (modelo 65), never only the
first. A finding is

` + "```json" + `
{
  "path": "/itens/0/valor_total",
  "rule": "item.total",
  "severity": "error",
  "expected": "15.00",
  "actual": "15.02",
  "code": "629",
  "message": "The item's total differs from quantity times unit price by more than 0.01."
}
` + "```" + `

` + "`path`" + ` is a JSON pointer (RFC 6901) into the document, ` + "`rule`" + ` is for programs and part of the API, ` + "`message`" + ` is for people,
in Portuguese or English by ` + "`Accept-Language`" + `. ` + "`expected`" + ` and ` + "`actual`" + ` are there where they say more than the rule.
` + "`code`" + ` is the rejection with which the SEFAZ would answer, where it is known; a rule has several where it holds in several
places.

An *error* keeps a document from being issued, a *warning* does not. A draft may hold errors, but not those marked *form*:
such a value does not fit its field.

This page is generated from package ` + "`backend/internal/nfe`" + `.

`

func main() {
	const page = "../../../../docs/nfe-findings.md" // go generate runs here
	if err := os.WriteFile(page, []byte(head+nfe.Table()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "findings:", err)
		os.Exit(1)
	}
}
