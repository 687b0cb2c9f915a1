package main

// An operation of the contract that can be played.
type operation struct {
	method, route string
	name          string // its operationId, by which loadtest/lib knows it
	public        bool   // asked without an access token
	write         bool
}

// operations are what a script may ask for. What is not here is left out: what
// operators and admins do, sign-ups and passwords, imports, WebSockets.
var operations = []operation{
	{method: "GET", route: "/api/v1/ping", name: "ping", public: true},
	{method: "GET", route: "/api/v1/health", name: "getHealthV1", public: true},
	{method: "POST", route: "/api/v1/auth/login", name: "login", public: true},
	{method: "POST", route: "/api/v1/auth/refresh", name: "refreshTokens", public: true},
	{method: "POST", route: "/api/v1/auth/logout", name: "logout"},
	{method: "GET", route: "/api/v1/auth/me", name: "getMe"},
	{method: "GET", route: "/api/v1/auth/sessions", name: "listOwnSessions"},
	{method: "GET", route: "/api/v1/address-book", name: "listContacts"},
	{method: "GET", route: "/api/v1/address-book/{id}", name: "getContact"},
	{method: "GET", route: "/api/v1/address-book/export", name: "exportContacts"},
	{method: "POST", route: "/api/v1/address-book", name: "createContact", write: true},
	{method: "PUT", route: "/api/v1/address-book/{id}", name: "updateContact", write: true},
	{method: "DELETE", route: "/api/v1/address-book/{id}", name: "deleteContact", write: true},
}

// find returns the operation's index, -1 for what cannot be played.
func find(method, route string) int {
	for i, o := range operations {
		if o.method == method && o.route == route {
			return i
		}
	}
	return -1
}
