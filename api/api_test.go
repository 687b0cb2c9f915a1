package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"gatehouse/internal/problem"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocument(t *testing.T) {
	t.Parallel()
	for _, complaint := range slices.Concat(validate(Document), lint(Document)) {
		t.Error(complaint)
	}
}

// The gateway serves the document as JSON: nothing of it may get lost.
func TestDocumentAsJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(load(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range slices.Concat(validate(data), lint(data)) {
		t.Error(complaint)
	}
}

func TestProblemCodes(t *testing.T) {
	t.Parallel()
	codes := load(t).Components.Schemas["Problem"].Value.Properties["code"].Value.Enum
	for _, code := range problem.Codes() {
		if !slices.Contains(codes, any(string(code))) {
			t.Errorf("code %q of package problem is not in the document", code)
		}
	}
}

// Each row is one mistake, made by replacing the first match of a text. They stand in
// one document, since the library takes a second to look at one.
func TestValidateFinds(t *testing.T) {
	t.Parallel()
	broken := string(Document)
	mistakes := []mistake{
		{"unknown key", "summary: Reach the backend", "synopsis: Reach the backend", "extra sibling fields: [synopsis]"},
		{"broken pattern", `'\p{Lu}'`, `'\p{Lu'`, "error parsing regexp"},
		{"example out of bounds", "      example: 019aab11-0b77-7c1e-9f20-63d1a4b5c6d7\n", "      example: 019aab11\n", `parameter "SessionID": invalid example`},
		{"default out of bounds", "default: 50", "default: 0", "minimum: got 0"},
		{"wrong body example", "              gender: true\n              age: 79\n", "              gender: true\n              age: 151\n", "Error at \"/age\""},
		{"incomplete body example", "              tenant_id: tenant1\n      responses:", "      responses:", "Error at \"/tenant_id\""},
		{"wrong answer example", "                message: pong\n", "                message: ping\n", "Error at \"/message\""},
		{"wrong problem example", "5f0c1e2a3b4c4d5e8f90a1b2c3d4e5f6\n            errors: []\n", "short\n            errors: []\n", "Error at \"/request_id\""},
	}
	for _, m := range mistakes {
		broken = m.in(t, broken)
	}
	found := validate([]byte(broken))
	for _, m := range mistakes {
		m.among(t, found)
	}
}

// mistake is one that is made by replacing the first match of a text, and what is to
// be said of it.
type mistake struct{ name, old, new, want string }

func (m mistake) in(t *testing.T, document string) string {
	t.Helper()
	broken := strings.Replace(document, m.old, m.new, 1)
	if broken == document {
		t.Fatalf("%s: the document does not have %q", m.name, m.old)
	}
	return broken
}

func (m mistake) among(t *testing.T, found []string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(complaint string) bool { return strings.Contains(complaint, m.want) }) {
		t.Errorf("%s: got %q, want one with %q", m.name, found, m.want)
	}
}

// Each row breaks one rule.
func TestLintFinds(t *testing.T) {
	t.Parallel()
	for _, m := range []mistake{
		{"broken YAML", "openapi: 3.1.0", "openapi: [", "load: "},
		{"key twice", "      summary: Reach the backend\n", "      summary: Reach the backend\n      summary: Again\n", "load: "},
		{"reference to nothing", "'#/components/schemas/Signup'", "'#/components/schemas/SignUp'", "load: "},
		{"OpenAPI 3.0", "openapi: 3.1.0", "openapi: 3.0.3", "openapi is not 3.1"},
		{"public by default", "security:\n  - bearer: []", "security: []", "security is not"},
		{"another server", "- url: /\n", "- url: /api\n", "servers is not"},
		{"no alias", "x-alias:\n  from: /api/\n  to: /api/v1/\n", "", "x-alias is not {from, to}"},
		{"alias of half a segment", "  from: /api/\n", "  from: /ap\n", "x-alias is not {from, to}"},
		{"alias of itself", "  from: /api/\n", "  from: /api/v1/\n", "x-alias is not {from, to}"},
		{"path that could be an alias", "  /openapi.json:\n", "  /api/openapi.json:\n", "/api/openapi.json could be an alias of /api/v1/openapi.json"},

		{"no operationId", "      operationId: ping\n", "", `GET /api/v1/ping: operationId "" is not`},
		{"operationId twice", "operationId: getHealthV1", "operationId: getHealth", "is also that of GET /api/v1/health"},
		{"no summary", "      summary: Reach the backend\n", "", "GET /api/v1/ping: no summary"},
		{"no description", "      description: One page of the tenant's contacts.\n", "", "GET /api/v1/address-book: no description"},
		{"no tag", "      tags: [service]\n", "", "tags [] is not one tag"},
		{"unknown tag", "tags: [auth]", "tags: [accounts]", `tags ["accounts"] is not one tag`},

		{"no rate class", "      x-rate-class: auth\n", "", `x-rate-class "" is not one of`},
		{"unknown rate class", "x-rate-class: auth", "x-rate-class: login", `x-rate-class "login" is not one of`},
		{"misspelled extension", "x-max-body: 65536", "x-body-max: 65536", "extension x-body-max is unknown"},
		{"no timeout", "      x-timeout: 2s\n", "", "x-timeout <nil> is not a duration"},
		{"timeout without unit", "x-timeout: 2s", "x-timeout: 2000", "x-timeout 2000 is not a duration"},
		{"timeout too short", "x-timeout: 2s", "x-timeout: 2ms", "x-timeout 2ms is not a duration"},
		{"timeout at the edge", "x-served-by: gateway", "x-served-by: gateway\n      x-timeout: 2s", "the gateway answers by itself"},
		{"served by another", "x-served-by: gateway", "x-served-by: edge", "x-served-by edge is not gateway"},
		{"body above the limit", "x-max-body: 65536", "x-max-body: 10485761", "x-max-body 1.0485761e+07 is not"},
		{"unknown role", "x-role: admin", "x-role: owner", "x-role owner is not one of admin, operator"},
		{"role for everybody", "operationId: ping\n", "operationId: ping\n      x-role: admin\n", "x-role on an operation that needs no signed-in caller"},
		{"role that nobody is refused for", "'403': {$ref: '#/components/responses/Forbidden'}", "'403': {$ref: '#/components/responses/TenantMismatch'}", "no 403 with the code forbidden"},
		{"operator's path for all", "      x-role: operator\n", "", "GET /api/v1/admin/audit: x-role is not operator"},
		{"operator's path for admins", "x-role: operator", "x-role: admin", "GET /api/v1/admin/audit: x-role is not operator"},
		{"limit without a body", "operationId: logout", "operationId: logout\n      x-max-body: 10", "x-max-body without a request body"},

		{"unbounded path parameter", "is not a UUID is 404.\n      schema: {$ref: '#/components/schemas/GivenID'}\n", "is not a UUID is 404.\n      schema: {type: string}\n", "path parameter id: no pattern"},
		{"unbounded query parameter", "        maximum: 500\n        default: 50", "        default: 50", "query parameter limit: number without"},
		{"no parameter description", "      description: Contacts of exactly this age.\n", "", "query parameter age: no description"},

		{"body is optional", "        required: true\n        content:", "        content:", "POST /api/v1/auth/signup: the request body is not required"},
		{"body of another type", "        content:\n          application/json:\n            schema: {$ref: '#/components/schemas/Refresh'}",
			"        content:\n          text/plain:\n            schema: {$ref: '#/components/schemas/Refresh'}", "neither application/json alone nor text/csv and text/vcard"},
		{"file of another type", "text/csv:\n            schema: {$ref: '#/components/schemas/ContactUpload'}", "text/plain:\n            schema: {$ref: '#/components/schemas/ContactUpload'}", "neither application/json alone nor"},
		{"file that is no string", "in UTF-8.\n      type: string\n      minLength: 1\n", "in UTF-8.\n      type: integer\n", "the request body of text/csv is not a string"},
		{"file without maxLength", "      maxLength: 10485760\n", "", "request body: string without maxLength"},
		{"no body example", "            example:\n              refresh_token: tenant1.dGhpcyBpcyBvbmx5IGFuIGV4YW1wbGUgdG9rZW4gb2s\n", "", "the request body has no example"},
		{"loose body", "    Refresh:\n      type: object\n      additionalProperties: false\n", "    Refresh:\n      type: object\n", "request body: additionalProperties is not false"},
		{"misnamed required member", "required: [refresh_token]", "required: [token]", "required member token is not a property"},
		{"string without maxLength", "      maxLength: 50\n", "", "request body/username: string without maxLength"},
		{"string without minimum", "      minLength: 1\n      maxLength: 2048\n", "      maxLength: 2048\n", "query parameter cursor: string without minLength"},
		{"integer without maximum", "      maximum: 150\n", "", "request body/age: number without"},
		{"value without a type", "      description: '`true` is male, `false` is female.'\n      type: boolean\n", "      description: any\n", "request body/gender: no type"},
		{"body on GET", "      operationId: getMe\n", "      operationId: getMe\n      requestBody:\n        content:\n          application/json:\n            schema: {$ref: '#/components/schemas/Refresh'}\n", "a request body on GET"},

		{"no success", "        '200': {$ref: '#/components/responses/Healthy'}\n", "", "GET /health: no 2xx response"},
		{"no 400", "        '400': {$ref: '#/components/responses/InvalidList'}\n", "", "no 400 response"},
		{"no 401", "        '401': {$ref: '#/components/responses/Unauthenticated'}\n", "", "no 401 response, but it needs a signed-in caller"},
		{"no 403", "        '403': {$ref: '#/components/responses/TenantMismatch'}\n", "", "no 403 response"},
		{"no 404", "        '404': {$ref: '#/components/responses/NotFound'}\n", "", "no 404 response"},
		{"no 408", "        '408': {$ref: '#/components/responses/RequestTimeout'}\n", "", "no 408 response"},
		{"no 413", "        '413': {$ref: '#/components/responses/BodyTooLarge'}\n", "", "no 413 response"},
		{"no 415", "        '415': {$ref: '#/components/responses/UnsupportedMediaType'}\n", "", "no 415 response"},
		{"no 429", "        '429': {$ref: '#/components/responses/RateLimited'}\n", "", "no 429 response"},
		{"no 500", "        '500': {$ref: '#/components/responses/Internal'}\n", "", "no 500 response"},
		{"no 502", "        '502': {$ref: '#/components/responses/BadGateway'}\n", "", "no 502 response"},
		{"no 503", "        '503': {$ref: '#/components/responses/Unavailable'}\n", "", "no 503 response"},
		{"no 504", "        '504': {$ref: '#/components/responses/Timeout'}\n", "", "no 504 response"},
		{"default response", "        '504': {$ref: '#/components/responses/Timeout'}\n", "        '504': {$ref: '#/components/responses/Timeout'}\n        default: {$ref: '#/components/responses/Internal'}\n", "response default would let"},
		{"range of statuses", "        '504': {$ref: '#/components/responses/Timeout'}\n", "        '504': {$ref: '#/components/responses/Timeout'}\n        5XX: {$ref: '#/components/responses/Internal'}\n", "response 5XX would let"},
		{"no tenant guard", "      parameters:\n        - {$ref: '#/components/parameters/TenantGuard'}\n", "", "no X-Tenant-Id parameter"},
		{"no condition", "      parameters:\n        - {$ref: '#/components/parameters/IfMatch'}\n", "", "PUT /api/v1/users/{id}: no If-Match header"},
		{"no 412", "        '412': {$ref: '#/components/responses/PreconditionFailed'}\n", "", "PUT /api/v1/users/{id}: no 412 response"},
		{"no 412 where only GET has the ETag", "        '409': {$ref: '#/components/responses/InvalidState'}\n        '412': {$ref: '#/components/responses/PreconditionFailed'}\n",
			"        '409': {$ref: '#/components/responses/InvalidState'}\n", "DELETE /api/v1/users/{id}: no 412 response"},
		{"no condition where GET has no ETag", "        '200': {$ref: '#/components/responses/Done'}\n        '400': {$ref: '#/components/responses/BadRequest'}\n",
			"        '200': {$ref: '#/components/responses/OneUser'}\n        '400': {$ref: '#/components/responses/BadRequest'}\n", "DELETE /api/v1/auth/sessions/{id}: no If-Match header"},
		{"no 409 for a repetition", "'409': {$ref: '#/components/responses/StillRunning'}", "'409': {$ref: '#/components/responses/InvalidState'}", "no 409 with the code idempotency_in_progress"},
		{"no 422 for a repetition", "        '422': {$ref: '#/components/responses/IdempotencyMismatch'}\n", "", "no 422 with the code idempotency_mismatch"},
		{"repetition not marked", "            Idempotency-Replayed: {$ref: '#/components/headers/Idempotency-Replayed'}\n", "", "201: no header Idempotency-Replayed"},
		{"no Location", "            Location: {$ref: '#/components/headers/ContactLocation'}\n", "", "no Location header"},

		{"description that is a list", "description: The body did not arrive in time.", "description: 408. The body did not arrive in time.", "408: the description begins as an item"},
		{"no request ID", "            X-Request-Id: {$ref: '#/components/headers/X-Request-Id'}\n", "", "header X-Request-Id is not required"},
		{"no retry time", "        Retry-After: {$ref: '#/components/headers/Retry-After'}\n", "", "header Retry-After is not required"},
		{"no challenge", "        WWW-Authenticate: {$ref: '#/components/headers/WWW-Authenticate'}\n", "", "header WWW-Authenticate is not required"},
		{"no limit header", "            RateLimit: {$ref: '#/components/headers/RateLimit'}\n", "", "no header RateLimit"},
		{"no answer example", "              example:\n                message: pong\n                data: {}\n", "", "200: application/json has no example"},
		{"loose answer", "    TokenPair:\n      type: object\n      additionalProperties: false\n", "    TokenPair:\n      type: object\n", "answer/data: additionalProperties is not false"},
		{"optional member", "required: [limit, count, has_more, next_cursor]", "required: [limit, count, has_more]", "answer/metadata: member next_cursor is not required"},
		{"no metadata", "                  metadata: {$ref: '#/components/schemas/PageInfo'}\n", "", "is not the envelope"},
		{"metadata without pages", "        - {$ref: '#/components/parameters/Limit'}\n", "", "GET /api/v1/auth/sessions: 200: the answer is not the envelope"},
		{"no envelope for another health", "                  data:\n                    type: array\n                    items: {$ref: '#/components/schemas/TenantHealth'}\n",
			"                  list:\n                    type: array\n                    items: {$ref: '#/components/schemas/TenantHealth'}\n", "GET /api/v1/admin/tenant/health: 200: the answer is not the envelope"},
		{"map of any names", "      propertyNames: {$ref: '#/components/schemas/TenantID'}\n", "", "answer/data: a map whose propertyNames have no pattern"},
		{"map of long names", "            maxLength: 50\n            pattern: '^[a-z]", "            pattern: '^[a-z]", "details: a map whose propertyNames have no pattern and maxLength"},
		{"map of objects", "      additionalProperties:\n        type: boolean\n", "      additionalProperties:\n        type: object\n", "answer/data: a map whose values are not"},
		{"map of long values", "            type: string\n            maxLength: 255\n", "            type: string\n", "details/*: string without maxLength"},
		{"map with members", "      additionalProperties:\n        type: boolean\n", "      properties:\n        tenant1: {type: boolean}\n      additionalProperties:\n        type: boolean\n", "both properties and additionalProperties"},
		{"free message", "                    enum: [pong]\n", "                    minLength: 1\n", "is not the envelope"},
		{"error in the operation", "        '409': {$ref: '#/components/responses/AlreadyRegistered'}\n", "        '409':\n          description: Taken.\n", "409: the error is not one of components/responses"},
		{"error of another type", "application/problem+json:", "application/json:", "400: the error is not application/problem+json"},
		{"third media type", "        application/json:\n          schema:\n            allOf:\n              - {$ref: '#/components/schemas/Health'}\n", "        text/plain:\n          schema:\n            allOf:\n              - {$ref: '#/components/schemas/Health'}\n", "media type text/plain is none of"},
		{"file answered as a number", "in UTF-8.\n      type: string\n    ImportReport:\n", "in UTF-8.\n      type: integer\n    ImportReport:\n", "the answer of text/csv is not a string"},
		{"status of another response", "enum: [413]", "enum: [400]", "413: the problem's status is not narrowed"},
		{"code of another status", "enum: [body_too_large]", "enum: [invalid_json]", `413: code "invalid_json" is answered with 400`},
		{"code that nothing answers", "enum: [not_found]", "enum: [no_such_code]", `404: code "no_such_code" is never answered`},

		{"unused component", "  responses:\n    # Success\n", "  responses:\n    Spare:\n      description: Spare.\n    # Success\n", "components/responses/Spare is not used"},
		{"used by an unused one alone", "'401': {$ref: '#/components/responses/InvalidRefreshToken'}", "'401': {$ref: '#/components/responses/Unauthenticated'}", "components/responses/InvalidRefreshToken is not used"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.among(t, lint([]byte(m.in(t, string(Document)))))
		})
	}
}

// The bounds of the domain, one step to either side of each.
func TestBounds(t *testing.T) {
	t.Parallel()
	const contact = `{"name":"Ada","gender":false,"age":36,"address":"12 St James's Square","phone":"+44 20 7946 0018","email":"ada@example.com"}`
	const signup = `{"username":"ada","email":"ada@example.com","password":"Abcdefg1","tenant_id":"tenant1"}`
	const login = `{"username_or_email":"ada","password":"x","tenant_id":"tenant1"}`
	secret := strings.Repeat("A", 43)
	refresh := `{"refresh_token":"tenant1.` + secret + `"}`
	const password = `{"current_password":"x","new_password":"Abcdefg1"}`
	const invitation = `{}`
	const newUser = `{"username":"ada","email":"ada@example.com","password":"Abcdefg1"}`
	const user = `{"username":"ada","email":"ada@example.com","active":true}`
	const tenant = `{"name":"Analytical Engines"}`
	n := strings.Repeat

	schemas := load(t).Components.Schemas
	for _, c := range []struct {
		schema, base, member, value string // value is JSON; "" removes the member
		ok                          bool
	}{
		{"ContactFields", contact, "name", `"x"`, true},
		{"ContactFields", contact, "name", `"` + n("é", 100) + `"`, true},
		{"ContactFields", contact, "name", `"` + n("é", 101) + `"`, false},
		{"ContactFields", contact, "name", `""`, false},
		{"ContactFields", contact, "name", `"   "`, false},
		{"ContactFields", contact, "name", `"A\u0000da"`, false},
		{"ContactFields", contact, "name", `"A\nda"`, false},
		{"ContactFields", contact, "name", `"A\u0085da"`, false},
		{"ContactFields", contact, "name", `"\u00a0\u3000"`, false},
		{"ContactFields", contact, "name", `null`, false},
		{"ContactFields", contact, "name", ``, false},
		{"ContactFields", contact, "gender", `true`, true},
		{"ContactFields", contact, "gender", `"male"`, false},
		{"ContactFields", contact, "gender", ``, false},
		{"ContactFields", contact, "age", `0`, true},
		{"ContactFields", contact, "age", `150`, true},
		{"ContactFields", contact, "age", `-1`, false},
		{"ContactFields", contact, "age", `151`, false},
		{"ContactFields", contact, "age", `36.5`, false},
		{"ContactFields", contact, "age", `"36"`, false},
		{"ContactFields", contact, "age", ``, false},
		{"ContactFields", contact, "address", `"x"`, true},
		{"ContactFields", contact, "address", `"1 Dorset Street\n\tLondon"`, true},
		{"ContactFields", contact, "address", `"` + n("界", 500) + `"`, true},
		{"ContactFields", contact, "address", `"` + n("界", 501) + `"`, false},
		{"ContactFields", contact, "address", `"1 Dorset Street\r\nLondon"`, true},
		{"ContactFields", contact, "address", `"1 Dorset Street\rLondon"`, false},
		{"ContactFields", contact, "address", `"\n"`, false},
		{"ContactFields", contact, "address", `"a\u0007b"`, false},
		{"ContactFields", contact, "address", ``, false},
		{"ContactFields", contact, "phone", `"0123456789"`, true},
		{"ContactFields", contact, "phone", `"+1 (234) 567-8901234"`, true},
		{"ContactFields", contact, "phone", `"012345678"`, false},
		{"ContactFields", contact, "phone", `"+1 (234) 567-89012345"`, false},
		{"ContactFields", contact, "phone", `"01234 5678 ext 9"`, false},
		{"ContactFields", contact, "phone", `"01234\t56789"`, false},
		{"ContactFields", contact, "phone", ``, false},
		{"ContactFields", contact, "email", `"a@b.c"`, true},
		{"ContactFields", contact, "email", `"` + n("a", 251) + `@b.c"`, true},
		{"ContactFields", contact, "email", `"` + n("a", 252) + `@b.c"`, false},
		{"ContactFields", contact, "email", `"a@b"`, false},
		{"ContactFields", contact, "email", `"a b@c.d"`, false},
		{"ContactFields", contact, "email", `"a\u0000b@c.d"`, false},
		{"ContactFields", contact, "email", `"a\u00a0b@c.d"`, false},
		{"ContactFields", contact, "email", `"a@b@c.d"`, false},
		{"ContactFields", contact, "email", ``, false},
		{"ContactFields", contact, "id", `"019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d"`, false},
		{"ContactFields", contact, "tenant_id", `"tenant2"`, false},

		{"Signup", signup, "username", `"ada"`, true},
		{"Signup", signup, "username", `"` + n("ñ", 50) + `"`, true},
		{"Signup", signup, "username", `"ad"`, false},
		{"Signup", signup, "username", `"` + n("ñ", 51) + `"`, false},
		{"Signup", signup, "username", `"a.d_a-1"`, true},
		{"Signup", signup, "username", `"ada@example.com"`, false},
		{"Signup", signup, "username", `"ada lovelace"`, false},
		{"Signup", signup, "password", `"Abcdefg1"`, true},
		{"Signup", signup, "password", `" Éé٣     "`, true},
		{"Signup", signup, "password", `"Abcdef1"`, false},
		{"Signup", signup, "password", `"` + n("Ab1😀", 16) + `"`, true},
		{"Signup", signup, "password", `"` + n("Ab1😀", 16) + `x"`, false},
		{"Signup", signup, "password", `"abcdefg1"`, false},
		{"Signup", signup, "password", `"ABCDEFG1"`, false},
		{"Signup", signup, "password", `"Abcdefgh"`, false},
		{"Signup", signup, "password", `"Abcdefg1\u0000"`, false},
		{"Signup", signup, "tenant_id", `"` + n("x", 36) + `"`, true},
		{"Signup", signup, "tenant_id", `"` + n("x", 37) + `"`, false},
		{"Signup", signup, "tenant_id", `"_tenant"`, false},
		{"Signup", signup, "tenant_id", `""`, false},
		{"Signup", signup, "tenant_id", ``, false},
		{"Signup", signup, "invite_token", `"` + secret + `"`, true},
		{"Signup", signup, "invite_token", `"` + secret[1:] + `"`, false},
		{"Signup", signup, "invite_token", `"` + secret + `A"`, false},
		{"Signup", signup, "invite_token", `"` + secret[1:] + `="`, false},
		{"Signup", signup, "invite_token", `null`, false},
		{"Signup", signup, "role", `"admin"`, false},
		{"Signup", signup, "active", `true`, false},

		{"Login", login, "username_or_email", `"` + n("a", 255) + `"`, true},
		{"Login", login, "username_or_email", `"` + n("a", 256) + `"`, false},
		{"Login", login, "username_or_email", `""`, false},
		{"Login", login, "password", `"` + n("é", 128) + `"`, true},
		{"Login", login, "password", `"` + n("é", 129) + `"`, false},
		{"Login", login, "password", `""`, false},
		{"Login", login, "password", ``, false},
		{"Login", login, "tenant_id", ``, false},

		{"Refresh", refresh, "refresh_token", `"` + n("x", 36) + `.` + secret + `"`, true},
		{"Refresh", refresh, "refresh_token", `"` + n("x", 37) + `.` + secret + `"`, false},
		{"Refresh", refresh, "refresh_token", `"tenant1.` + secret + `A"`, false},
		{"Refresh", refresh, "refresh_token", `"tenant1.` + secret[1:] + `"`, false},
		{"Refresh", refresh, "refresh_token", `"tenant1.` + secret[1:] + `="`, false},
		{"Refresh", refresh, "refresh_token", `"` + secret + `"`, false},
		{"Refresh", refresh, "refresh_token", ``, false},

		{"PasswordChange", password, "current_password", `"` + n("é", 128) + `"`, true},
		{"PasswordChange", password, "current_password", `"` + n("é", 129) + `"`, false},
		{"PasswordChange", password, "current_password", `""`, false},
		{"PasswordChange", password, "current_password", ``, false},
		{"PasswordChange", password, "new_password", `"abcdefg1"`, false},
		{"PasswordChange", password, "new_password", `"Abcdef1"`, false},
		{"PasswordChange", password, "new_password", ``, false},
		{"PasswordChange", password, "user_id", `"019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"`, false},

		{"InvitationFields", invitation, "role", `"admin"`, true},
		{"InvitationFields", invitation, "role", `"operator"`, false},
		{"InvitationFields", invitation, "email", `"ada@example.com"`, true},
		{"InvitationFields", invitation, "email", `null`, false},
		{"InvitationFields", invitation, "expires_in", `300`, true},
		{"InvitationFields", invitation, "expires_in", `299`, false},
		{"InvitationFields", invitation, "expires_in", `2592000`, true},
		{"InvitationFields", invitation, "expires_in", `2592001`, false},
		{"InvitationFields", invitation, "tenant_id", `"tenant2"`, false},
		{"InvitationFields", invitation, "token", `"` + secret + `"`, false},
		{"AdminInvitationFields", invitation, "role", `"member"`, true},
		{"AdminInvitationFields", invitation, "role", `"operator"`, false},
		{"AdminInvitationFields", invitation, "expires_in", `2592001`, false},
		{"AdminInvitationFields", invitation, "tenant_id", `"tenant2"`, false},

		{"NewUser", newUser, "username", `"ad"`, false},
		{"NewUser", newUser, "username", ``, false},
		{"NewUser", newUser, "email", ``, false},
		{"NewUser", newUser, "password", ``, false},
		{"NewUser", newUser, "role", `"operator"`, true},
		{"NewUser", newUser, "role", `"root"`, false},
		{"NewUser", newUser, "active", `false`, true},
		{"NewUser", newUser, "active", `"false"`, false},
		{"NewUser", newUser, "id", `"019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"`, false},
		{"NewUser", newUser, "tenant_id", `"tenant2"`, false},
		{"UserFields", user, "role", `"admin"`, true},
		{"UserFields", user, "role", `null`, false},
		{"UserFields", user, "active", ``, false},
		{"UserFields", user, "email", ``, false},
		{"UserFields", user, "password", `"Abcdefg1"`, false},
		{"UserFields", user, "tenant_id", `"tenant2"`, false},

		{"NewTenant", tenant, "id", `""`, true},
		{"NewTenant", tenant, "id", `"` + n("x", 36) + `"`, true},
		{"NewTenant", tenant, "id", `"` + n("x", 37) + `"`, false},
		{"NewTenant", tenant, "id", `"-x"`, false},
		{"NewTenant", tenant, "id", `"x.y"`, false},
		{"NewTenant", tenant, "name", `"` + n("é", 255) + `"`, true},
		{"NewTenant", tenant, "name", `"` + n("é", 256) + `"`, false},
		{"NewTenant", tenant, "name", `" "`, false},
		{"NewTenant", tenant, "name", ``, false},
		{"NewTenant", tenant, "db_url", `"postgres://h/d"`, true},
		{"NewTenant", tenant, "db_url", `"postgresql://u:p%2F@[::1]:5432/d?sslmode=disable"`, true},
		{"NewTenant", tenant, "db_url", `"mysql://h/d"`, false},
		{"NewTenant", tenant, "db_url", `"postgres:///d"`, false},
		{"NewTenant", tenant, "db_url", `"postgres://host/"`, false},
		{"NewTenant", tenant, "db_url", `"postgres://host"`, false},
		{"NewTenant", tenant, "db_url", `"host=h dbname=d"`, false},
		{"NewTenant", tenant, "db_url", `"postgres://h/d\n"`, false},
		{"NewTenant", tenant, "db_url", `"postgres://h/` + n("d", 2035) + `"`, true},
		{"NewTenant", tenant, "db_url", `"postgres://h/` + n("d", 2036) + `"`, false},
		{"NewTenant", tenant, "placement", `"dedicated"`, true},
		{"NewTenant", tenant, "placement", `"moon"`, false},
		{"NewTenant", tenant, "plan", `"gold"`, false},
		{"NewTenant", tenant, "signup", `"invite"`, true},
		{"NewTenant", tenant, "session_mode", `"none"`, false},
		{"NewTenant", tenant, "status", `"active"`, false},
		{"TenantChanges", tenant, "name", ``, false},
		{"TenantChanges", tenant, "name", `" "`, false},
		{"TenantChanges", tenant, "id", `"tenant2"`, false},
		{"TenantChanges", tenant, "status", `"active"`, false},
	} {
		var value map[string]any
		if err := json.Unmarshal([]byte(c.base), &value); err != nil {
			t.Fatal(err)
		}
		delete(value, c.member)
		if c.value != "" {
			var member any
			if err := json.Unmarshal([]byte(c.value), &member); err != nil {
				t.Fatal(err)
			}
			value[c.member] = member
		}
		err := schemas[c.schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
		if (err == nil) != c.ok {
			t.Errorf("%s with %s %s: got %v, want ok %v", c.schema, c.member, c.value, err, c.ok)
		}
	}
}

// What comes in headers, paths and queries, one step to either side of each
// bound.
func TestParameterBounds(t *testing.T) {
	t.Parallel()
	n := strings.Repeat
	parameters := load(t).Components.Parameters
	for _, c := range []struct {
		parameter string
		value     any
		ok        bool
	}{
		{"IfMatch", `"1"`, true},
		{"IfMatch", `"1", "2","3"`, true},
		{"IfMatch", `""`, true},
		{"IfMatch", `*`, true},
		{"IfMatch", `1`, false},
		{"IfMatch", `"1`, false},
		{"IfMatch", `W/"1"`, true},
		{"IfMatch", `*, "1"`, false},
		{"IfMatch", `"1",`, false},
		{"IfMatch", `"1" "2"`, false},
		{"IfMatch", `"a b"`, false},
		{"IfMatch", ``, false},
		{"IfMatch", `"` + n("1", 1022) + `"`, true},
		{"IfMatch", `"` + n("1", 1023) + `"`, false},
		{"IdempotencyKey", `!`, true},
		{"IdempotencyKey", n("~", 255), true},
		{"IdempotencyKey", n("~", 256), false},
		{"IdempotencyKey", ``, false},
		{"IdempotencyKey", `a b`, false},
		{"IdempotencyKey", `é`, false},
		{"UserID", `019AAB10-6F3C-7D52-8A41-2F6B7C8D9E01`, true},
		{"UserID", `019aab106f3c7d528a412f6b7c8d9e01`, false},
		{"UserID", `019aab10-6f3c-7d52-8a41-2f6b7c8d9e0`, false},
		{"TenantPathID", n("x", 36), true},
		{"TenantPathID", n("x", 37), false},
		{"CreatedFrom", `2026-11-22T09:30:00Z`, true},
		{"CreatedFrom", `2026-11-22T09:30:00.123456789Z`, true},
		{"CreatedFrom", `2026-11-22T09:30:00.1234567890Z`, false},
		{"CreatedFrom", `2026-11-22T09:30:00+01:00`, false},
		{"CreatedFrom", `2026-11-22`, false},
		{"ByAnyText", `x`, true},
		{"ByAnyText", n("é", 100), true},
		{"ByAnyText", n("é", 101), false},
		{"ByAnyText", ` `, false},
		{"ByAnyText", "a\x00b", false},
		{"ByAction", `user.role`, true},
		{"ByAction", `user.rolle`, false},
	} {
		err := parameters[c.parameter].Value.Schema.Value.VisitJSON(c.value, openapi3.EnableJSONSchema2020())
		if (err == nil) != c.ok {
			t.Errorf("%s %q: got %v, want ok %v", c.parameter, c.value, err, c.ok)
		}
	}
}

// Answers that have drifted are found the way the end-to-end tests look for
// them.
func TestDriftIsFound(t *testing.T) {
	t.Parallel()
	doc := load(t)
	// Files are text; the library knows text/csv by itself.
	openapi3filter.RegisterBodyDecoder("text/vcard", openapi3filter.PlainBodyDecoder)
	const page = `"metadata":{"limit":50,"count":0,"has_more":false,"next_cursor":null}}`
	entry := func(details string) string {
		return `{"message":"ok","data":[{"id":"019aab14-7711-7c20-a9b8-6d5e4f3a2b1c","tenant_id":"tenant1","action":"user.signup","actor_id":null,` +
			`"actor":null,"target":null,"ip":"","request_id":"","details":` + details + `,"created_at":"2026-11-22T10:05:12.345Z"}],` + page
	}
	tenant := func(more string) string {
		return `{"message":"ok","data":{"id":"tenant1","name":"T","placement":"shared","status":"active","plan":"free","signup":"open",` +
			`"session_mode":"multi","created_at":"2026-11-22T10:05:12.345Z","updated_at":"2026-11-22T10:05:12.345Z"` + more + `}}`
	}
	answer := func(code, status string) string {
		return `{"type":"urn:gatehouse:problem:` + code + `","title":"t","status":` + status + `,"detail":"d","instance":"/health",` +
			`"code":"` + code + `","message":"d","request_id":"0123456789abcdef","errors":[]}`
	}
	for _, c := range []struct {
		name, path  string
		status      int
		contentType string
		header      string // "Name: value"; X-Request-Id is always sent
		body        string
		ok          bool
	}{
		{"pong", "/api/v1/ping", 200, "application/json", "", `{"message":"pong","data":{}}`, true},
		{"with a charset", "/api/v1/ping", 200, "application/json; charset=utf-8", "", `{"message":"pong","data":{}}`, true},
		{"null instead of nothing", "/api/v1/ping", 200, "application/json", "", `{"message":"pong","data":null}`, false},
		{"a new member", "/api/v1/ping", 200, "application/json", "", `{"message":"pong","data":{},"took":1}`, false},
		{"another type", "/api/v1/ping", 200, "text/html", "", `{"message":"pong","data":{}}`, false},
		{"undocumented status", "/api/v1/ping", 204, "", "", ``, false},
		{"healthy", "/health", 200, "application/json", "", `{"status":"degraded"}`, true},
		{"unhealthy with 200", "/health", 200, "application/json", "", `{"status":"unhealthy"}`, false},
		{"unhealthy", "/health", 503, "application/json", "Retry-After: 1", `{"status":"unhealthy"}`, true},
		{"no backend", "/health", 503, "application/problem+json", "Retry-After: 1", answer("unavailable", "503"), true},
		{"no retry time", "/health", 503, "application/problem+json", "", answer("unavailable", "503"), false},
		{"retry time of a fraction", "/health", 503, "application/problem+json", "Retry-After: 0.5", answer("unavailable", "503"), false},
		{"code of another status", "/health", 503, "application/problem+json", "Retry-After: 1", answer("timeout", "503"), false},
		{"status of another", "/health", 503, "application/problem+json", "Retry-After: 1", answer("unavailable", "500"), false},
		{"no challenge", "/api/v1/auth/me", 401, "application/problem+json", "", answer("unauthenticated", "401"), false},
		{"the last page", "/api/v1/address-book", 200, "application/json", "",
			`{"message":"ok","data":[],"metadata":{"limit":50,"count":0,"has_more":false,"next_cursor":null}}`, true},
		{"no cursor", "/api/v1/address-book", 200, "application/json", "",
			`{"message":"ok","data":[],"metadata":{"limit":50,"count":0,"has_more":false}}`, false},
		{"null instead of an empty list", "/api/v1/address-book", 200, "application/json", "",
			`{"message":"ok","data":null,"metadata":{"limit":50,"count":0,"has_more":false,"next_cursor":null}}`, false},
		{"a total that was asked for", "/api/v1/address-book", 200, "application/json", "",
			`{"message":"ok","data":[],"metadata":{"limit":50,"count":0,"has_more":false,"next_cursor":null,"total":0}}`, true},
		{"a total of none", "/api/v1/address-book", 200, "application/json", "",
			`{"message":"ok","data":[],"metadata":{"limit":50,"count":0,"has_more":false,"next_cursor":null,"total":null}}`, false},
		{"csv", "/api/v1/address-book/export", 200, "text/csv; charset=utf-8", `Content-Disposition: attachment; filename=contacts.csv`, "name\r\n", true},
		{"vcard", "/api/v1/address-book/export", 200, "text/vcard; charset=utf-8", `Content-Disposition: attachment; filename=contacts.vcf`, "", true},
		{"shown and not saved", "/api/v1/address-book/export", 200, "text/csv; charset=utf-8", "Content-Disposition: inline", "name\r\n", false},
		{"no file", "/api/v1/address-book/export", 200, "text/csv; charset=utf-8", "", "name\r\n", false},
		{"details", "/api/v1/audit", 200, "application/json", "", entry(`{"from":"member","to":"admin"}`), true},
		{"no details", "/api/v1/audit", 200, "application/json", "", entry(`{}`), true},
		{"details of another type", "/api/v1/audit", 200, "application/json", "", entry(`{"from":1}`), false},
		{"details by another name", "/api/v1/audit", 200, "application/json", "", entry(`{"From":"member"}`), false},
		{"details too long", "/api/v1/audit", 200, "application/json", "", entry(`{"from":"` + strings.Repeat("x", 256) + `"}`), false},
		{"statuses", "/api/v1/admin/tenant/status", 200, "application/json", "", `{"message":"ok","data":{"tenant1":true,"Tenant_2":false}}`, true},
		{"statuses of none", "/api/v1/admin/tenant/status", 200, "application/json", "", `{"message":"ok","data":{}}`, true},
		{"status as text", "/api/v1/admin/tenant/status", 200, "application/json", "", `{"message":"ok","data":{"tenant1":"up"}}`, false},
		{"status of no tenant", "/api/v1/admin/tenant/status", 200, "application/json", "", `{"message":"ok","data":{"_":true}}`, false},
		{"health", "/api/v1/admin/tenant/health", 200, "application/json", "",
			`{"message":"ok","data":[{"tenant_id":"a","name":"A","healthy":true,"error":null},{"tenant_id":"b","name":"B","healthy":false,"error":"refused"}]}`, true},
		{"health without an error", "/api/v1/admin/tenant/health", 200, "application/json", "",
			`{"message":"ok","data":[{"tenant_id":"a","name":"A","healthy":true}]}`, false},
		{"error in the driver's words", "/api/v1/admin/tenant/health", 200, "application/json", "",
			`{"message":"ok","data":[{"tenant_id":"a","name":"A","healthy":false,"error":"dial tcp 10.0.0.7:5432"}]}`, false},
		{"tenant", "/api/v1/admin/tenants/{id}", 200, "application/json", `ETag: "12"`, tenant(""), true},
		{"no version", "/api/v1/admin/tenants/{id}", 200, "application/json", "", tenant(""), false},
		{"a weak version", "/api/v1/admin/tenants/{id}", 200, "application/json", `ETag: W/"12"`, tenant(""), false},
		{"a secret that got out", "/api/v1/admin/tenants/{id}", 200, "application/json", `ETag: "12"`, tenant(`,"db_url":"postgres://h/d"`), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			item := doc.Paths.Value(c.path)
			header := http.Header{"X-Request-Id": {"0123456789abcdef"}}
			if c.contentType != "" {
				header.Set("Content-Type", c.contentType)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				header.Set(name, value)
			}
			err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
				RequestValidationInput: &openapi3filter.RequestValidationInput{
					Request: httptest.NewRequest(http.MethodGet, c.path, nil),
					Route:   &routers.Route{Spec: doc, Path: c.path, PathItem: item, Method: http.MethodGet, Operation: item.Get},
				},
				Status:  c.status,
				Header:  header,
				Body:    io.NopCloser(strings.NewReader(c.body)),
				Options: &openapi3filter.Options{IncludeResponseStatus: true},
			})
			if (err == nil) != c.ok {
				t.Errorf("got %v, want ok %v", err, c.ok)
			}
		})
	}
}
