// Package backend is the service behind the gateway: it owns the tenants' data
// in PostgreSQL and answers the operations of the OpenAPI document.
//
// A request passes package web, which identifies the caller by the access token
// and decodes strictly, then one feature (auth, contact), whose rules call
// generated queries (tenantdb) through package pg, which enters the tenant
// under row-level security in the same round trip.
//
// routes.go lists the operations, config.go the settings; cmd/backend is the
// program. Package gateway has the same kind of files.
package backend
