// Package api holds the contract between Gatehouse and its clients: one
// OpenAPI 3.1 document.
//
// The gateway compiles its route table, authentication and limits from it and
// serves it at /openapi.json. The backend's routes are compared with it, and
// the end-to-end tests hold every answer, errors included, against its
// schemas. The comment at the head of openapi.yaml explains the extensions
// (x-rate-class, x-role, x-timeout, x-max-body, x-served-by, x-alias); the tests of this
// package hold the rules that every operation follows.
package api

import _ "embed"

// Document is the OpenAPI document as YAML, in UTF-8. Callers must not change
// its bytes.
//
//go:embed openapi.yaml
var Document []byte
