// Package nfe holds the Brazilian electronic invoice (NF-e, modelo 55, and NFC-e,
// modelo 65, layout 4.00): its types, its rules and its life.
//
// The package is pure. It knows no clock, network, database or HTTP: times and
// randomness are arguments, and the same document always has the same findings.
//
// # Values
//
// A [Document] is one aggregate with the names that the columns have. What a
// client sends is kept as it was sent: codes, dates and decimals are text, so that
// a value that is no decimal survives decoding and becomes a finding with its path
// instead of an error without one. The empty string means absent everywhere.
// Arithmetic is exact and decimal; a binary float occurs nowhere.
package nfe
