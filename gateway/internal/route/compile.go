package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Findings are the mistakes of a document, in its order.
type Findings []string

// Error lists all findings, one a line.
func (f Findings) Error() string {
	noun := "mistakes"
	if len(f) == 1 {
		noun = "mistake"
	}
	return fmt.Sprintf("the OpenAPI document has %d %s:\n    %s", len(f), noun, strings.Join(f, "\n    "))
}

// Compile reads an OpenAPI document, YAML or JSON, and builds its table and
// the metrics of its routes. The error is [Findings] unless the document could
// not be read at all.
func Compile(document []byte) (*Table, error) {
	loader := openapi3.NewLoader() // external references stay refused
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	// Examples, defaults and patterns are for whoever checks bodies, which the
	// edge does not; patterns may also be in a dialect that Go does not have.
	err = doc.Validate(loader.Context, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation(),
		openapi3.DisableSchemaPatternValidation(), openapi3.EnableMultiError())
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document is not valid: %w", err)
	}
	c := compiler{doc: doc, table: &Table{}}
	c.compile()
	if len(c.findings) > 0 {
		return nil, c.findings
	}
	if c.table.Document, err = doc.MarshalJSON(); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document as JSON: %w", err)
	}
	return c.table, nil
}

type compiler struct {
	doc      *openapi3.T
	table    *Table
	paths    []*Path // of the document, ordered by template
	findings Findings
}

func (c *compiler) addf(format string, args ...any) {
	c.findings = append(c.findings, fmt.Sprintf(format, args...))
}

func (c *compiler) compile() {
	base, err := c.doc.Servers.BasePath()
	if err != nil {
		c.addf("servers: %v", err)
	}
	base = strings.TrimSuffix(base, "/")

	paths := c.doc.Paths.Map()
	if len(paths) == 0 {
		c.addf("paths: there are none, so every request would be refused")
	}
	templates := make([]string, 0, len(paths))
	for template := range paths {
		templates = append(templates, template)
	}
	slices.Sort(templates)
	for _, template := range templates {
		c.path(base+template, paths[template])
	}
	c.alias()
}

func (c *compiler) path(template string, item *openapi3.PathItem) {
	if reason := badTemplate(template); reason != "" {
		c.addf("%s: %s", template, reason)
		return
	}
	place := c.table.root.insert(template)
	if place.path != nil {
		c.addf("%s: matches the same requests as %s", template, place.path.Template)
		return
	}
	p := &Path{Template: template}
	place.path = p
	c.paths = append(c.paths, p)

	if len(item.Servers) > 0 {
		c.addf("%s: servers of its own; all paths are served under the document's first server", template)
	}
	operations := item.Operations()
	for _, method := range methods {
		if op := operations[method]; op != nil {
			if op.Servers != nil && len(*op.Servers) > 0 {
				c.addf("%s %s: servers of its own; all paths are served under the document's first server", method, template)
			}
			p.byMethod[methodIndex(method)] = c.operation(method, template, op)
			delete(operations, method)
		}
	}
	for _, method := range slices.Sorted(maps.Keys(operations)) {
		c.addf("%s %s: the gateway does not serve this method; leave it out", method, template)
	}
	for _, r := range p.byMethod {
		if r != nil {
			r.Metrics = telemetry.NewRoute("gateway", r.Method, r.Template)
		}
	}
	c.addImplied(p)
	for _, r := range p.byMethod {
		if r != nil {
			r.Allow = p.Allow
			c.table.routes = append(c.table.routes, r)
		}
	}
}

// addImplied adds what every path answers to: HEAD wherever GET is
// (RFC 9110 section 9.3.2), counted as GET, and OPTIONS, which the gateway
// answers by itself and counts for all paths together.
func (c *compiler) addImplied(p *Path) {
	get, head, options := methodIndex("GET"), methodIndex("HEAD"), methodIndex("OPTIONS")
	if p.byMethod[get] != nil && p.byMethod[head] == nil {
		r := *p.byMethod[get]
		r.Method, r.Implied = "HEAD", true
		p.byMethod[head] = &r
	}
	if p.byMethod[options] != nil {
		c.addf("OPTIONS %s: the gateway answers this method by itself; leave it out", p.Template)
	}
	p.byMethod[options] = &Route{
		Method:   "OPTIONS",
		Template: p.Template,
		Class:    Probe,
		Public:   true,
		Local:    true,
		Implied:  true,
		Timeout:  DefaultTimeout,
		MaxBody:  bodilessLimit,
		Metrics:  telemetry.NewRoute("gateway", "OPTIONS", "*"),
	}
	var allow []string
	for i, r := range p.byMethod {
		if r != nil {
			allow = append(allow, methods[i])
		}
	}
	p.Allow = strings.Join(allow, ", ")
}

func (c *compiler) operation(method, template string, op *openapi3.Operation) *Route {
	r := &Route{Method: method, Template: template, ID: op.OperationID}
	where := method + " " + template
	r.Public = c.public(where, op)
	c.body(where, r, op)
	c.extensions(where, r, op.Extensions)
	return r
}

// public reports whether the operation says security: []. Without that key it
// falls under the document's, and without either it needs a signed-in caller.
func (c *compiler) public(where string, op *openapi3.Operation) bool {
	requirements := c.doc.Security
	if op.Security != nil {
		if len(*op.Security) == 0 {
			return true
		}
		requirements = *op.Security
	}
	for _, requirement := range requirements {
		if len(requirement) == 0 {
			c.addf("%s: security: {} would make signing in optional; write [] or name a scheme", where)
			continue
		}
		// What else it asks for, such as a key in a header of its own, is for
		// the backend to check.
		names := slices.Sorted(maps.Keys(requirement))
		if !slices.ContainsFunc(names, c.bearer) {
			c.addf("%s: security scheme %q is not of type http with scheme bearer, which is how callers sign in here",
				where, strings.Join(names, ", "))
		}
	}
	return false
}

func (c *compiler) bearer(name string) bool {
	if c.doc.Components == nil {
		return false
	}
	ref := c.doc.Components.SecuritySchemes[name]
	return ref != nil && ref.Value != nil && ref.Value.Type == "http" && strings.EqualFold(ref.Value.Scheme, "bearer")
}

func (c *compiler) body(where string, r *Route, op *openapi3.Operation) {
	r.MaxBody = bodilessLimit
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return
	}
	if r.Method == "GET" || r.Method == "HEAD" {
		c.addf("%s: a body has no meaning here (RFC 9110 section 9.3.1)", where)
		return
	}
	r.MaxBody = DefaultMaxBody
	for media := range op.RequestBody.Value.Content {
		r.MediaTypes = append(r.MediaTypes, strings.ToLower(string(mediaType([]byte(media)))))
	}
	slices.Sort(r.MediaTypes)
	if len(r.MediaTypes) == 0 {
		c.addf("%s: requestBody has no media type", where)
	}
}

// extensions reads the x- keys. Keys of other makers are none of ours, but one
// that promises a check which this gateway does not make must not be ignored.
func (c *compiler) extensions(where string, r *Route, x map[string]any) {
	if _, ok := x["x-websocket"]; ok {
		c.addf("%s: x-websocket is not enforced by this gateway", where)
	}
	if v, ok := x["x-role"]; ok {
		role, _ := v.(string)
		switch r.Role = token.Role(role); {
		case r.Role != token.Admin && r.Role != token.Operator:
			c.addf("%s: x-role is %v; admin or operator is wanted", where, v)
		case r.Public:
			c.addf("%s: x-role on a public operation, which takes no notice of who calls", where)
		}
	}
	switch class, _ := x["x-rate-class"].(string); Class(class) {
	case Auth, Refresh, Read, Write, Export, Admin, Probe:
		r.Class = Class(class)
	default:
		if v, ok := x["x-rate-class"]; ok {
			c.addf("%s: x-rate-class is %v; auth, refresh, read, write, export, admin or probe is wanted", where, v)
		} else {
			c.addf("%s: x-rate-class is missing; auth, refresh, read, write, export, admin or probe is wanted", where)
		}
	}
	if v, ok := x["x-max-body"]; ok {
		bytes, isNumber := v.(float64)
		switch {
		case !r.TakesBody():
			c.addf("%s: x-max-body on an operation without a body", where)
		case !isNumber || bytes != float64(int(bytes)) || bytes < 1 || bytes > maxMaxBody:
			c.addf("%s: x-max-body is not a number of bytes from 1 to %d", where, maxMaxBody)
		default:
			r.MaxBody = int(bytes)
		}
	}
	r.Timeout = DefaultTimeout
	if v, ok := x["x-timeout"]; ok {
		text, _ := v.(string)
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout < minTimeout || timeout > maxTimeout {
			c.addf("%s: x-timeout is %v; %v to %v is allowed", where, v, minTimeout, maxTimeout)
		}
		r.Timeout = timeout
	}
	if v, ok := x["x-served-by"]; ok {
		if v != "gateway" {
			c.addf("%s: x-served-by is %v; only gateway is allowed", where, v)
		}
		if r.ID == "" {
			c.addf("%s: x-served-by needs an operationId", where)
		}
		r.Local = true
	}
}
