// Package deploy holds what Gatehouse is deployed with to the rules of whoever
// reads it: manifests to the API server's validation, Dockerfiles and Compose files
// to their parsers and linters, and all of them to the programs, whose settings,
// ports and times they repeat. There are only tests; `make verify/deploy` runs
// them. The module stands outside the workspace, because what it needs is many
// times what Gatehouse is made of.
package deploy
