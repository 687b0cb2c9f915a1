package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/internal/problem"
)

// maxBody is the largest body in bytes that an operation may ask for: a file
// of contacts.
const maxBody = 10 << 20

// Bounds of x-timeout: less breaks on a busy machine, more outlives every
// client's patience and holds an upstream connection all the while.
const (
	minTimeout = time.Second
	maxTimeout = time.Minute
)

var (
	rateClasses = []string{"auth", "refresh", "read", "write", "export", "admin", "probe"}
	roles       = []string{"admin", "operator"}
	extensions  = []string{"x-rate-class", "x-role", "x-timeout", "x-max-body", "x-served-by", "x-websocket"}
	textTypes   = []string{"text/csv", "text/vcard"}                                    // of files, which are passed on as they are
	xmlTypes    = []string{"application/xml", "text/xml"}                               // the same of invoices
	fileTypes   = []string{"application/xml", "application/pdf"}                        // of invoices
	pageTypes   = []string{"text/html", "text/css", "text/javascript", "image/svg+xml"} // of the reference
	keySetType  = "application/jwk-set+json"                                            // RFC 7517 section 8.5.2
	camelCase   = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
	numbered    = regexp.MustCompile(`^[0-9]+[.)] `) // which Markdown makes a list of
)

// operation is one operation with what a rule needs to judge it.
type operation struct {
	*openapi3.Operation
	name   string // "GET /api/v1/ping", for messages
	path   string
	method string
	params openapi3.Parameters // the path's and its own
	public bool
	edge   bool // answered by the gateway alone
}

// param returns the parameter of a name, which no two have, or nil.
func (op operation) param(name string) *openapi3.Parameter {
	for _, ref := range op.params {
		if ref.Value.Name == name {
			return ref.Value
		}
	}
	return nil
}

// mayAnswer reports whether a problem of this code is documented.
func (op operation) mayAnswer(status int, code problem.Code) bool {
	ref := op.Responses.Status(status)
	if ref == nil {
		return false
	}
	media := ref.Value.Content[problem.ContentType]
	return media != nil && media.Schema != nil && slices.Contains(narrowed(media.Schema.Value, "code"), any(string(code)))
}

// narrowed returns the values that a problem's member is narrowed to.
func narrowed(s *openapi3.Schema, member string) []any {
	if len(s.AllOf) != 2 || s.AllOf[1].Value.Properties[member] == nil {
		return nil
	}
	return s.AllOf[1].Value.Properties[member].Value.Enum
}

// validate returns what makes the document invalid as OpenAPI, or an example
// or default invalid by its schema.
func validate(data []byte) []string {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return []string{"load: " + err.Error()}
	}
	err = doc.Validate(context.Background(), openapi3.EnableMultiError())
	if err == nil {
		return nil
	}
	var all openapi3.MultiError
	if !errors.As(err, &all) {
		all = openapi3.MultiError{err}
	}
	var found []string
	for _, err := range all {
		found = append(found, err.Error())
	}
	return found
}

// lint returns everything in a document that breaks a rule of this project.
func lint(data []byte) []string {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return []string{"load: " + err.Error()}
	}
	var found []string
	ops := operations(doc)
	if len(ops) == 0 {
		found = append(found, "the document has no operation")
	}
	found = append(found, lintDocument(doc)...)
	found = append(found, lintNames(doc, ops)...)
	for _, op := range ops {
		for _, rule := range []func(*openapi3.T, operation) []string{
			lintExtensions, lintRole, lintParameters, lintBody, lintStatuses, lintConditional, lintIdempotency, lintResponses,
		} {
			for _, complaint := range rule(doc, op) {
				found = append(found, op.name+": "+complaint)
			}
		}
	}
	return append(found, lintUnused(doc)...)
}

func operations(doc *openapi3.T) []operation {
	var ops []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			security := &doc.Security
			if op.Security != nil {
				security = op.Security
			}
			ops = append(ops, operation{
				Operation: op,
				name:      method + " " + path,
				path:      path,
				method:    method,
				params:    slices.Concat(item.Parameters, op.Parameters),
				public:    len(*security) == 0,
				edge:      op.Extensions["x-served-by"] == "gateway",
			})
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.name, b.name) })
	return ops
}

// lintDocument holds what is true of the document as a whole. Without the
// top-level security an operation that forgets its own would be public.
func lintDocument(doc *openapi3.T) (found []string) {
	if len(doc.Security) != 1 || doc.Security[0]["bearer"] == nil {
		found = append(found, "document: security is not [{bearer: []}], so operations would be public by default")
	}
	if len(doc.Servers) != 1 || doc.Servers[0].URL != "/" {
		found = append(found, "document: servers is not the one entry /, so paths would not be whole")
	}
	if !doc.IsOpenAPI31OrLater() {
		found = append(found, "document: openapi is not 3.1")
	}
	return append(found, lintAlias(doc)...)
}

// lintAlias holds that an alias can be told from a path of the document: else a
// request would have two meanings.
func lintAlias(doc *openapi3.T) []string {
	alias, _ := doc.Extensions["x-alias"].(map[string]any)
	from, _ := alias["from"].(string)
	to, _ := alias["to"].(string)
	if len(alias) != 2 || !strings.HasSuffix(from, "/") || !strings.HasPrefix(to, from) || len(to) == len(from) || !strings.HasSuffix(to, "/") {
		return []string{"document: x-alias is not {from, to} with from a shorter prefix of to, both of whole segments"}
	}
	var found []string
	for path := range doc.Paths.Map() {
		if strings.HasPrefix(path, from) && !strings.HasPrefix(path, to) {
			found = append(found, fmt.Sprintf("document: %s could be an alias of %s", path, to+path[len(from):]))
		}
	}
	return found
}

func lintNames(doc *openapi3.T, ops []operation) (found []string) {
	ids := map[string]string{}
	for _, op := range ops {
		switch id := op.OperationID; {
		case !camelCase.MatchString(id):
			found = append(found, fmt.Sprintf("%s: operationId %q is not a camelCase name", op.name, id))
		case ids[id] != "":
			found = append(found, fmt.Sprintf("%s: operationId %q is also that of %s", op.name, id, ids[id]))
		default:
			ids[id] = op.name
		}
		if op.Summary == "" {
			found = append(found, op.name+": no summary")
		}
		if op.Description == "" {
			found = append(found, op.name+": no description")
		}
		if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
			found = append(found, fmt.Sprintf("%s: tags %q is not one tag of the document's list", op.name, op.Tags))
		}
	}
	return found
}

func lintExtensions(_ *openapi3.T, op operation) (found []string) {
	for name := range op.Extensions {
		if !slices.Contains(extensions, name) {
			found = append(found, fmt.Sprintf("extension %s is unknown; known are %s", name, strings.Join(extensions, ", ")))
		}
	}
	if class, _ := op.Extensions["x-rate-class"].(string); !slices.Contains(rateClasses, class) {
		found = append(found, fmt.Sprintf("x-rate-class %q is not one of %s", class, strings.Join(rateClasses, ", ")))
	}
	if by, ok := op.Extensions["x-served-by"]; ok && by != "gateway" {
		found = append(found, fmt.Sprintf("x-served-by %v is not gateway", by))
	}
	if socket, ok := op.Extensions["x-websocket"]; ok && (socket != true || op.method != http.MethodGet || op.edge) {
		found = append(found, fmt.Sprintf("x-websocket %v is not true, or on an operation that is no GET of the backend", socket))
	}
	timeout, given := op.Extensions["x-timeout"]
	switch text, _ := timeout.(string); {
	case op.edge && given:
		found = append(found, "x-timeout bounds the wait for the backend, but the gateway answers by itself")
	case op.edge:
	default:
		d, err := time.ParseDuration(text)
		if err != nil || d < minTimeout || d > maxTimeout {
			found = append(found, fmt.Sprintf("x-timeout %v is not a duration from %s to %s", timeout, minTimeout, maxTimeout))
		}
	}
	if limit, ok := op.Extensions["x-max-body"]; ok {
		n, isNumber := limit.(float64)
		if op.RequestBody == nil {
			found = append(found, "x-max-body without a request body")
		}
		if !isNumber || n < 1 || n > maxBody || n != float64(int(n)) {
			found = append(found, fmt.Sprintf("x-max-body %v is not a number of bytes from 1 to %d", limit, maxBody))
		}
	}
	return found
}

// lintRole holds that whoever may call an operation is checked at the edge,
// and that the refusal is documented.
func lintRole(_ *openapi3.T, op operation) (found []string) {
	role, given := op.Extensions["x-role"]
	text, _ := role.(string)
	if strings.HasPrefix(op.path, "/api/v1/admin/") && text != "operator" {
		found = append(found, "x-role is not operator, though the path is for operators")
	}
	if !given {
		return found
	}
	if !slices.Contains(roles, text) {
		found = append(found, fmt.Sprintf("x-role %v is not one of %s", role, strings.Join(roles, ", ")))
	}
	if op.public {
		found = append(found, "x-role on an operation that needs no signed-in caller")
	}
	if !op.mayAnswer(403, problem.Forbidden) {
		found = append(found, "x-role, but no 403 with the code forbidden")
	}
	return found
}

// lintParameters holds that every parameter is bounded, so that nothing of
// any length or value passes the edge unjudged.
func lintParameters(_ *openapi3.T, op operation) (found []string) {
	for _, ref := range op.params {
		p := ref.Value
		where := p.In + " parameter " + p.Name
		if p.Description == "" {
			found = append(found, where+": no description")
		}
		if p.Schema == nil {
			found = append(found, where+": no schema")
			continue
		}
		if p.In == openapi3.ParameterInPath && p.Schema.Value.Pattern == "" && len(p.Schema.Value.Enum) == 0 {
			found = append(found, where+": no pattern")
		}
		found = append(found, unbounded(p.Schema.Value, where)...)
	}
	return found
}

func lintBody(_ *openapi3.T, op operation) (found []string) {
	if op.RequestBody == nil {
		return nil
	}
	body := op.RequestBody.Value
	if op.method == http.MethodGet || op.method == http.MethodDelete {
		found = append(found, "a request body on "+op.method)
	}
	if !body.Required {
		found = append(found, "the request body is not required")
	}
	types := sortedKeys(body.Content)
	if !slices.Equal(types, []string{"application/json"}) && !slices.Equal(types, textTypes) && !slices.Equal(types, xmlTypes) {
		return append(found, fmt.Sprintf("the request body is neither application/json alone nor %s nor %s", strings.Join(textTypes, " and "), strings.Join(xmlTypes, " and ")))
	}
	for _, mime := range types {
		media := body.Content[mime]
		if media.Example == nil && len(media.Examples) == 0 {
			found = append(found, "the request body has no example")
		}
		if media.Schema == nil {
			found = append(found, "the request body has no schema")
			continue
		}
		if mime != "application/json" && !media.Schema.Value.Type.Is("string") {
			found = append(found, "the request body of "+mime+" is not a string")
		}
		found = append(found, loose(media.Schema.Value, "request body", false)...)
		found = append(found, unbounded(media.Schema.Value, "request body")...)
	}
	return found
}

// lintStatuses holds that an operation names each answer it can give.
func lintStatuses(doc *openapi3.T, op operation) (found []string) {
	need := map[int]string{
		400: "any request can be malformed",
		429: "every operation is limited",
		500: "a fault must be answered in shape",
		503: "every operation can be refused under load",
	}
	if !op.edge {
		need[502] = "the backend serves it"
		need[504] = "the backend serves it"
	}
	if !op.public {
		need[401] = "it needs a signed-in caller"
		need[403] = "X-Tenant-Id may disagree with the token"
		if !slices.ContainsFunc(op.params, func(p *openapi3.ParameterRef) bool {
			return p.Ref == "#/components/parameters/TenantGuard"
		}) {
			found = append(found, "no X-Tenant-Id parameter, though it needs a signed-in caller")
		}
	}
	if op.method != http.MethodGet {
		need[413] = "a body can be sent"
	}
	if op.RequestBody != nil {
		need[408] = "it has a body"
		need[415] = "it has a body"
	}
	if strings.Contains(op.path, "{") {
		need[404] = "its path has a parameter"
	}
	for _, status := range sortedKeys(need) {
		if op.Responses.Status(status) == nil {
			found = append(found, fmt.Sprintf("no %d response, but %s", status, need[status]))
		}
	}
	success := 0
	for _, status := range sortedKeys(op.Responses.Map()) {
		if _, err := strconv.Atoi(status); err != nil {
			found = append(found, fmt.Sprintf("response %s would let undocumented answers pass", status))
		}
		if strings.HasPrefix(status, "2") || status == "101" && op.Extensions["x-websocket"] != nil {
			success++
		}
	}
	if success == 0 {
		found = append(found, "no 2xx response, and no 101 of a WebSocket")
	}
	created := op.Responses.Status(http.StatusCreated)
	if created != nil && hasItem(doc, op.path) && created.Value.Headers["Location"] == nil {
		found = append(found, "201: no Location header, though what was created has a path")
	}
	return found
}

// hasItem reports whether what is created at path has a path of its own to be
// read at.
func hasItem(doc *openapi3.T, path string) bool {
	for other, item := range doc.Paths.Map() {
		name, isItem := strings.CutPrefix(other, path+"/{")
		if isItem && !strings.Contains(name, "/") && item.Get != nil {
			return true
		}
	}
	return false
}

// lintConditional holds that a change of what has an ETag can be made
// conditional on it.
func lintConditional(doc *openapi3.T, op operation) (found []string) {
	if op.method != http.MethodPut && op.method != http.MethodDelete {
		return nil
	}
	get := doc.Paths.Value(op.path).Get
	if !hasETag(op.Operation) && (get == nil || !hasETag(get)) {
		return nil
	}
	if p := op.param("If-Match"); p == nil || p.In != openapi3.ParameterInHeader {
		found = append(found, "no If-Match header, though what it changes has an ETag")
	}
	if op.Responses.Status(http.StatusPreconditionFailed) == nil {
		found = append(found, "no 412 response, though what it changes has an ETag")
	}
	return found
}

func hasETag(op *openapi3.Operation) bool {
	for status, ref := range op.Responses.Map() {
		if strings.HasPrefix(status, "2") && ref.Value.Headers["ETag"] != nil {
			return true
		}
	}
	return false
}

// lintIdempotency holds that an operation which can be repeated says how a
// repetition is answered.
func lintIdempotency(_ *openapi3.T, op operation) (found []string) {
	if op.param("Idempotency-Key") == nil {
		return nil
	}
	for _, code := range []problem.Code{problem.IdempotencyRunning, problem.IdempotencyMismatch} {
		if !op.mayAnswer(code.Status(), code) {
			found = append(found, fmt.Sprintf("Idempotency-Key, but no %d with the code %s", code.Status(), code))
		}
	}
	for _, status := range sortedKeys(op.Responses.Map()) {
		if strings.HasPrefix(status, "2") && op.Responses.Value(status).Value.Headers["Idempotency-Replayed"] == nil {
			found = append(found, status+": no header Idempotency-Replayed, though a repetition gets this answer again")
		}
	}
	return found
}

func lintResponses(_ *openapi3.T, op operation) (found []string) {
	for _, key := range sortedKeys(op.Responses.Map()) {
		ref := op.Responses.Value(key)
		status, err := strconv.Atoi(key)
		if err != nil {
			continue // refused by lintStatuses
		}
		complain := func(format string, args ...any) {
			found = append(found, key+": "+fmt.Sprintf(format, args...))
		}
		if numbered.MatchString(*ref.Value.Description) {
			complain("the description begins as an item of a list")
		}
		required := []string{"X-Request-Id"}
		switch status {
		case 401:
			required = append(required, "WWW-Authenticate")
		case 429, 503:
			required = append(required, "Retry-After")
		}
		for _, name := range required {
			if h := ref.Value.Headers[name]; h == nil || !h.Value.Required {
				complain("header %s is not required", name)
			}
		}
		for _, name := range []string{"RateLimit", "RateLimit-Policy"} {
			if ref.Value.Headers[name] == nil {
				complain("no header %s", name)
			}
		}
		if len(ref.Value.Content) == 0 && status != http.StatusSwitchingProtocols {
			complain("no content")
		}
		for _, mime := range sortedKeys(ref.Value.Content) {
			media := ref.Value.Content[mime]
			if media.Example == nil && len(media.Examples) == 0 {
				complain("%s has no example", mime)
			}
			if media.Schema == nil {
				complain("%s has no schema", mime)
				continue
			}
			switch {
			case mime == problem.ContentType:
				for _, text := range lintProblem(status, media.Schema.Value) {
					complain("%s", text)
				}
			case op.path == "/openapi.json":
				// The document itself: its form is OpenAPI's, not ours.
			case mime == "application/json" || mime == keySetType:
				for _, text := range loose(media.Schema.Value, "answer", true) {
					complain("%s", text)
				}
				if mime != keySetType && !isHealth(op.path) && !isEnvelope(media.Schema.Value, op.param("limit") != nil) {
					complain("the answer is not the envelope of message and data")
				}
			case slices.Contains(textTypes, mime) || slices.Contains(fileTypes, mime) || slices.Contains(pageTypes, mime) && strings.HasPrefix(op.path, "/docs"):
				if !media.Schema.Value.Type.Is("string") {
					complain("the answer of %s is not a string", mime)
				}
			default:
				complain("media type %s is none of application/json, %s, %s, %s", mime, keySetType, problem.ContentType, strings.Join(textTypes, ", "))
			}
		}
		if status >= 400 {
			if ref.Ref == "" {
				complain("the error is not one of components/responses")
			}
			if ref.Value.Content[problem.ContentType] == nil {
				complain("the error is not %s", problem.ContentType)
			}
		}
	}
	return found
}

// lintProblem holds that an error is the shared problem, narrowed to its own
// status and to codes that are answered with this status.
func lintProblem(status int, s *openapi3.Schema) []string {
	if len(s.AllOf) != 2 || s.AllOf[0].Ref != "#/components/schemas/Problem" {
		return []string{"the problem is not allOf Problem and what it is narrowed to"}
	}
	if statuses := narrowed(s, "status"); len(statuses) != 1 || statuses[0] != float64(status) {
		return []string{"the problem's status is not narrowed to the response's"}
	}
	codes := narrowed(s, "code")
	if len(codes) == 0 {
		return []string{"the problem's code is not narrowed"}
	}
	var found []string
	for _, code := range codes {
		text, _ := code.(string)
		if c := problem.Code(text); !slices.Contains(problem.Codes(), c) {
			found = append(found, fmt.Sprintf("code %q is never answered", text))
		} else if c.Status() != status {
			found = append(found, fmt.Sprintf("code %q is answered with %d", text, c.Status()))
		}
	}
	return found
}

func isHealth(path string) bool { return path == "/health" || path == "/api/v1/health" }

// isEnvelope reports whether the schema is {message, data} with a fixed
// message, and metadata exactly when the operation's answer is paged.
func isEnvelope(s *openapi3.Schema, paged bool) bool {
	message, data, metadata := s.Properties["message"], s.Properties["data"], s.Properties["metadata"]
	if message == nil || len(message.Value.Enum) != 1 || data == nil {
		return false
	}
	if paged {
		return len(s.Properties) == 3 && metadata != nil && data.Value.Type.Is("array")
	}
	return len(s.Properties) == 2 && (data.Value.Type.Is("object") || data.Value.Type.Is("array"))
}

// loose returns the objects in a schema that would let a member pass which
// the document does not know. With all set, every member must be required,
// unless the object leaves out those that have no value.
func loose(s *openapi3.Schema, where string, all bool) (found []string) {
	walk(s, where, func(s *openapi3.Schema, where string) {
		if !s.Type.Is("object") {
			return
		}
		if s.Extensions["x-opaque"] == true {
			return
		}
		if s.AdditionalProperties.Schema != nil {
			found = append(found, looseMap(s, where)...)
			return
		}
		if extra := s.AdditionalProperties; extra.Has == nil || *extra.Has {
			found = append(found, where+": additionalProperties is not false")
		}
		if s.Properties == nil && (s.MaxProps == nil || *s.MaxProps != 0) {
			found = append(found, where+": an object without properties")
		}
		for _, name := range s.Required {
			if s.Properties[name] == nil {
				found = append(found, fmt.Sprintf("%s: required member %s is not a property", where, name))
			}
		}
		for _, name := range sortedKeys(s.Properties) {
			if all && !slices.Contains(s.Required, name) && s.Extensions["x-sparse"] != true {
				found = append(found, fmt.Sprintf("%s: member %s is not required", where, name))
			}
		}
	})
	return found
}

// looseMap returns what is wrong with an object whose members have names that
// the document cannot list: the names need a form and a length, the values are
// one scalar type with bounds.
func looseMap(s *openapi3.Schema, where string) (found []string) {
	if len(s.Properties) > 0 {
		found = append(found, where+": an object with both properties and additionalProperties")
	}
	if names := s.PropertyNames; names == nil || names.Value.Pattern == "" || names.Value.MaxLength == nil {
		found = append(found, where+": a map whose propertyNames have no pattern and maxLength")
	}
	value := s.AdditionalProperties.Schema.Value
	if value.Type.Is("string") || value.Type.Is("boolean") || value.Type.Is("integer") {
		return append(found, unbounded(value, where+"/*")...)
	}
	return append(found, where+": a map whose values are not strings, booleans or integers")
}

// unbounded returns the values in a schema that have no type, or no least and
// largest value or length. Where an operation judges values by rules of its own it
// looks at nothing.
func unbounded(s *openapi3.Schema, where string) (found []string) {
	if s.Extensions["x-unbounded"] == true {
		return nil
	}
	walk(s, where, func(s *openapi3.Schema, where string) {
		switch {
		case len(s.Enum) > 0:
		case s.Type == nil:
			found = append(found, where+": no type")
		case s.Type.Includes("string"):
			if s.MaxLength == nil {
				found = append(found, where+": string without maxLength or enum")
			}
			if s.MinLength == 0 && s.Pattern == "" {
				found = append(found, where+": string without minLength, pattern or enum")
			}
		case s.Type.Includes("integer"), s.Type.Includes("number"):
			if s.Min == nil || s.Max == nil {
				found = append(found, where+": number without minimum and maximum")
			}
		case s.Type.Includes("array"):
			if s.MaxItems == nil {
				found = append(found, where+": array without maxItems")
			}
		}
	})
	return found
}

// walk calls visit for a schema and for every schema of a value inside it.
// Members of allOf describe the same value again and have no type of their
// own, unless they are references.
func walk(s *openapi3.Schema, where string, visit func(*openapi3.Schema, string)) {
	if s.Type != nil || len(s.AllOf) == 0 {
		visit(s, where)
	}
	for _, name := range sortedKeys(s.Properties) {
		walk(s.Properties[name].Value, where+"/"+name, visit)
	}
	if s.Items != nil {
		walk(s.Items.Value, where+"/items", visit)
	}
	for _, group := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
		for _, ref := range group {
			if ref.Value.Type != nil || ref.Ref != "" {
				walk(ref.Value, where, visit)
			}
		}
	}
}

// lintUnused returns the components that no operation reaches.
func lintUnused(doc *openapi3.T) (found []string) {
	data, err := json.Marshal(doc)
	if err != nil {
		return []string{"document: " + err.Error()}
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		return []string{"document: " + err.Error()}
	}
	components, _ := root["components"].(map[string]any)
	delete(root, "components")

	reached := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				follow(e)
			}
		case map[string]any:
			for key, e := range v {
				ref, ok := e.(string)
				if key != "$ref" || !ok {
					follow(e)
					continue
				}
				name, _ := strings.CutPrefix(ref, "#/components/")
				if reached[name] {
					continue
				}
				reached[name] = true
				kind, rest, _ := strings.Cut(name, "/")
				if group, ok := components[kind].(map[string]any); ok {
					follow(group[rest])
				}
			}
		}
	}
	follow(root)
	for _, requirement := range doc.Security {
		for name := range requirement {
			reached["securitySchemes/"+name] = true
		}
	}
	for kind, group := range components {
		for name := range group.(map[string]any) {
			if key := kind + "/" + name; !reached[key] {
				found = append(found, "components/"+key+" is not used")
			}
		}
	}
	slices.Sort(found)
	return found
}

func sortedKeys[K interface{ ~int | ~string }, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
