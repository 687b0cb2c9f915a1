package backend

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/nfe"
	"gatehouse/internal/token"
)

// Each member of each body at its bounds and one past them, of wrong types and
// in wrong forms: what the document allows is taken, everything else is a
// problem that names the member, and changes nothing. The cases are made from
// the document.
func TestBodiesAtTheirBounds(t *testing.T) {
	t.Parallel()
	w := newInputs(t)
	for _, op := range operations(t) {
		if op.body == nil {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			c := inputs{t: t, s: w.s, world: w.world, op: op}
			if _, ok := baseBodies[op.name]; !ok {
				t.Fatalf("the test has no body for %s that is accepted; add one to baseBodies", op.name)
			}
			c.bodies()
			if !slices.Contains(judgedByRules, op.name) {
				c.members(op.body)
			}
		})
	}
}

// inputs sends input to one operation.
type inputs struct {
	t     *testing.T
	s     *testServer
	world *inputWorld
	op    operation
	// list is the member whose elements are tried, or "" for the body itself.
	list string
}

// members sends each member of a schema in every way.
func (c *inputs) members(s *openapi3.Schema) {
	c.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		c.member(name, s, s.Properties[name].Value)
	}
}

// pointer is where a member is.
func (c *inputs) pointer(name string) string {
	if c.list != "" {
		return "/" + c.list + "/0/" + name
	}
	return "/" + name
}

// inputWorld is what operations can be tried on.
type inputWorld struct {
	tenant, open string // of the admin, and one with open sign-up
	admin        pair
	operator     pair
	ids          map[string]string // of something of each kind
	next         atomic.Int64
}

func newInputs(t *testing.T) inputs {
	t.Helper()
	s := newTestServer(t)
	operator := credentials{tenant: token.PlatformTenant, pair: s.operator("input.operator")}
	p := newParty(s, &operator, false)
	return inputs{t: t, s: s, world: &inputWorld{
		tenant: p.tenant, open: "acme", admin: p.admin.pair, operator: operator.pair, ids: p.ids,
	}}
}

// unique makes a name that nobody has.
func (w *inputWorld) unique() string { return fmt.Sprintf("u%06d", w.next.Add(1)) }

// judgedByRules are operations whose values are judged by the rules of invoices;
// TestNfeValues, TestNfeSteps and TestCatalogueRefusals try them.
var judgedByRules = []string{
	"createEmitter", "updateEmitter", "createRecipient", "updateRecipient", "createProduct", "updateProduct",
	"validateNfe", "createNfe", "updateNfe", "issueNfe", "authorizeNfe", "rejectNfe", "denyNfe", "cancelNfe", "voidNfeRange",
}

// baseBodies make a body for each operation that is accepted as it is, and say
// who sends it.
var baseBodies = map[string]func(c *inputs) (body map[string]any, bearer string){
	"signup": func(c *inputs) (map[string]any, string) {
		name := "s" + c.world.unique()
		return map[string]any{"username": name, "email": name + "@example.com", "password": testPassword, "tenant_id": c.world.open}, ""
	},
	"login": func(c *inputs) (map[string]any, string) {
		return map[string]any{"username_or_email": "nobody", "password": testPassword, "tenant_id": c.world.open}, ""
	},
	"refreshTokens": func(c *inputs) (map[string]any, string) {
		return map[string]any{"refresh_token": c.world.open + "." + strings.Repeat("a", 43)}, ""
	},
	"changePassword": func(c *inputs) (map[string]any, string) {
		// Each has a user of its own, whose password it may change.
		bearer := c.s.in(c.t).signup(c.world.open, c.world.unique()).Access
		return map[string]any{"current_password": testPassword, "new_password": "Another-Horse-8"}, bearer
	},
	"createInvitation": func(c *inputs) (map[string]any, string) {
		return map[string]any{"role": "member", "email": "guest@example.com", "expires_in": 3600}, c.world.admin.Access
	},
	"inviteToTenant": func(c *inputs) (map[string]any, string) {
		return map[string]any{"role": "admin", "email": "guest@example.com", "expires_in": 3600}, c.world.operator.Access
	},
	"createUser": func(c *inputs) (map[string]any, string) {
		name := c.world.unique()
		return map[string]any{"username": name, "email": name + "@example.com", "password": testPassword, "role": "member", "active": true}, c.world.admin.Access
	},
	"updateUser": func(c *inputs) (map[string]any, string) {
		name := c.world.unique()
		return map[string]any{"username": name, "email": name + "@example.com", "role": "member", "active": true}, c.world.admin.Access
	},
	"createContact": func(c *inputs) (map[string]any, string) { return contactBody(), c.world.admin.Access },
	"updateContact": func(c *inputs) (map[string]any, string) { return contactBody(), c.world.admin.Access },
	"createEmitter": entryInput("emitter"), "updateEmitter": entryInput("emitter"),
	"createRecipient": entryInput("recipient"), "updateRecipient": entryInput("recipient"),
	"createProduct": entryInput("product"), "updateProduct": entryInput("product"),
	"validateNfe": nfeInput, "createNfe": nfeInput,
	"updateNfe": func(c *inputs) (map[string]any, string) {
		body, bearer := nfeInput(c)
		body["version"] = 1
		return body, bearer
	},
	"issueNfe":     nfeStep(nil),
	"authorizeNfe": nfeStep(map[string]any{"protocolo": someProtocol, "data": someMoment, "chave_acesso": someKey}),
	"rejectNfe":    nfeStep(map[string]any{"codigo": "539", "motivo": "Duplicidade", "data": someMoment}),
	"denyNfe":      nfeStep(map[string]any{"codigo": "110", "protocolo": someProtocol, "data": someMoment}),
	"cancelNfe":    nfeStep(map[string]any{"justificativa": "Erro na digitação", "protocolo": someProtocol, "data": someMoment}),
	"voidNfeRange": func(c *inputs) (map[string]any, string) {
		return map[string]any{"emitter_id": c.world.ids["emitters"], "ambiente": "2", "modelo": "55", "serie": "7", "numero_inicial": "1",
			"numero_final": "2", "justificativa": "Falha na numeração"}, c.world.admin.Access
	},
	"setTenantLimits": func(c *inputs) (map[string]any, string) {
		return map[string]any{"overrides": []any{map[string]any{
			"policy": "user", "user_id": someUser, "requests": 864_000_000, "period": 86400, "burst": 1, "reason": "x",
		}}}, c.world.operator.Access
	},
	"createTenant": func(c *inputs) (map[string]any, string) {
		return map[string]any{"id": c.world.unique(), "name": "A tenant"}, c.world.operator.Access
	},
	"updateTenant": func(c *inputs) (map[string]any, string) {
		return map[string]any{"name": "A tenant"}, c.world.operator.Access
	},
}

const (
	someProtocol = "135260000000001"
	someMoment   = "2026-11-22T09:30:00-03:00"
	someKey      = "35260711222333000181550010000001231482193759"
)

func entryInput(name string) func(c *inputs) (map[string]any, string) {
	return func(c *inputs) (map[string]any, string) {
		kind := catalogueKinds[name]
		body := kind.body()
		body[kind.unique] = map[string]any{"cnpj": freshCNPJ(int(c.world.next.Add(1))), "codigo": c.world.unique()}[kind.unique]
		return body, c.world.admin.Access
	}
}

// freshCNPJ is a CNPJ that no other number has.
func freshCNPJ(n int) string {
	base := fmt.Sprintf("%08d0001", n)
	digits, ok := nfe.CNPJDigits(base)
	if !ok {
		panic(base)
	}
	return base + digits
}

func nfeInput(c *inputs) (map[string]any, string) {
	return nfeBody(c.world.ids["emitters"], 1), c.world.admin.Access
}

// nfeStep is the body of a step with these members beside the version.
func nfeStep(members map[string]any) func(c *inputs) (map[string]any, string) {
	return func(c *inputs) (map[string]any, string) {
		body := map[string]any{"version": 1}
		maps.Copy(body, members)
		return body, c.world.admin.Access
	}
}

// in returns the server for a test that runs beside others.
func (s *testServer) in(t *testing.T) *testServer {
	own := *s
	own.t = t
	return &own
}

// send sends a body as it is written.
func (c *inputs) send(body, bearer string, headers ...string) answer {
	c.t.Helper()
	a := c.s.in(c.t).do(c.op.method, strings.Replace(c.op.path, "{id}", c.world.ids[c.op.collection()], 1), bearer, body, headers...)
	if a.StatusCode >= 500 {
		c.t.Errorf("%s: %.200s is %d: %s", c.op.name, body, a.StatusCode, a.body)
	}
	return a
}

// with sends the accepted body with one member changed. Raw is JSON, or what is
// to look like it.
func (c *inputs) with(name, raw string) answer {
	c.t.Helper()
	body, bearer := baseBodies[c.op.name](c)
	if c.list == "" {
		return c.send(c.changed(body, name, raw), bearer)
	}
	element, _ := body[c.list].([]any)[0].(map[string]any)
	return c.send(c.changed(body, c.list, "["+c.changed(element, name, raw)+"]"), bearer)
}

// changed is the JSON of an object with one member changed.
func (c *inputs) changed(object map[string]any, name, raw string) string {
	c.t.Helper()
	object = maps.Clone(object)
	delete(object, name)
	text := strings.TrimSuffix(encode(c.t, object), "}")
	if raw != "" {
		if len(object) > 0 {
			text += ","
		}
		text += encode(c.t, name) + ":" + raw
	}
	return text + "}"
}

// findings returns the codes of the findings about a field.
func (a answer) findings(field string) (codes []string) {
	var p problemBody
	if a.StatusCode >= 400 && json.Unmarshal(a.body, &p) == nil {
		for _, e := range p.Errors {
			if e.Field == field {
				codes = append(codes, e.Code)
			}
		}
	}
	return codes
}

// stateful are findings about values that are as they should be.
var stateful = []string{"incorrect", "unreachable", "unsuitable"}

// accepts fails the test when there is something wrong with the member.
func (c *inputs) accepts(name, raw, why string) {
	c.t.Helper()
	a := c.with(name, raw)
	for _, code := range a.findings(c.pointer(name)) {
		if !slices.Contains(stateful, code) {
			c.t.Errorf("%s: %s %s (%.100s) is refused: %s", c.op.name, name, why, raw, a.body)
		}
	}
	if twin := a.StatusCode == 409 && (name == "username" || name == "email"); twin {
		return // the very same text was taken before
	}
	if a.StatusCode >= 300 && (raw == "" || !strings.Contains(inVain, " "+c.op.name+"."+name+" ")) {
		c.t.Errorf("%s: %s %s (%.100s): got %d: %s", c.op.name, name, why, raw, a.StatusCode, a.body)
	}
}

// inVain are members whose text is only good when it is that of something that
// exists. They are in order when nothing is said about them.
const inVain = " signup.tenant_id signup.invite_token login.username_or_email login.password login.tenant_id " +
	"refreshTokens.refresh_token changePassword.current_password createTenant.db_url updateTenant.db_url updateTenant.placement "

// refuses fails the test unless the member is refused by name.
func (c *inputs) refuses(name, raw, why string) {
	c.t.Helper()
	a := c.with(name, raw)
	if c.op.name == "refreshTokens" && strings.HasPrefix(raw, `"`) && a.StatusCode == 401 {
		return // like one that is unknown
	}
	found := a.findings(c.pointer(name))
	if a.StatusCode != 400 || len(found) == 0 || slices.ContainsFunc(found, func(code string) bool { return slices.Contains(stateful, code) }) {
		c.t.Errorf("%s: %s %s (%.100q): got %d, want it refused: %s", c.op.name, name, why, raw, a.StatusCode, a.body)
	}
}

// malformed fails the test unless the body as a whole is refused.
func (c *inputs) malformed(body, why string) {
	c.t.Helper()
	_, bearer := baseBodies[c.op.name](c)
	if a := c.send(body, bearer); a.StatusCode != 400 || a.Header.Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("%s: %s (%.100q): got %d: %s", c.op.name, why, body, a.StatusCode, a.body)
	}
}

// bodies sends what is wrong as a whole.
func (c *inputs) bodies() {
	c.t.Helper()
	valid, bearer := baseBodies[c.op.name](c)
	text := encode(c.t, valid)
	before := c.rows()
	for why, body := range map[string]string{
		"nothing": "", "white space": " \r\n\t ", "null": "null", "an array": "[" + text + "]", "a string": `"x"`, "a number": "1e400", "true": "true",
		"cut short": text[:len(text)-1], "something after it": text + "{}", "a comma too many": strings.TrimSuffix(text, "}") + ",}",
		"a byte order mark": "\ufeff" + text, "single quotes": strings.ReplaceAll(text, `"`, `'`), "a comment": "/**/" + text,
		"invalid UTF-8": strings.TrimSuffix(text, "}") + ",\"x\":\"\xff\"}", "a lone surrogate": strings.TrimSuffix(text, "}") + `,"x":"\ud800"}`,
		"NUL": text + "\x00", "deep arrays": strings.Repeat("[", 100_000), "deep objects": strings.Repeat(`{"a":`, 10_000), "UTF-16": "\xfe\xff\x00{\x00}",
	} {
		c.malformed(body, why)
	}
	deep := strings.TrimSuffix(text, "}") + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}"
	if a := c.send(deep, bearer); a.StatusCode != 400 || !strings.Contains(string(a.body), "invalid_json") {
		c.t.Errorf("%s: a deep member: got %d: %s", c.op.name, a.StatusCode, a.body)
	}
	for name := range c.op.body.Properties {
		value, _ := json.Marshal(valid[name])
		c.malformed(fmt.Sprintf(`{"%s":%s,"%s":%s}`, name, value, name, value), "the member "+name+" twice")
		c.refuses(strings.ToUpper(name), string(value), "is a name in another case")
	}
	for _, name := range []string{"extra", "", "a/b~c", "__proto__", strings.Repeat("x", 1000)} {
		a := c.with(name, "1")
		if !strings.Contains(string(a.body), "unknown_field") || a.StatusCode != 400 {
			c.t.Errorf("%s: the unknown member %.20q: got %d: %s", c.op.name, name, a.StatusCode, a.body)
		}
	}
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""} {
		if a := c.send(text, bearer, "Content-Type", contentType); a.StatusCode != 415 {
			c.t.Errorf("%s: content type %q: got %d: %s", c.op.name, contentType, a.StatusCode, a.body)
		}
	}
	for _, name := range c.op.body.Required {
		c.refuses(name, "", "is missing")
	}
	c.unchanged(before)
}

// rows reads what refused input must leave alone. Operations that run at the
// same time use other things, but the same tenant: only what this one makes is
// looked at.
func (c *inputs) rows() int {
	c.t.Helper()
	count := func(table, where string) string { return "select count(*)::int from " + table + " where " + where }
	version := func(table, id string) string { return "select version::int from " + table + " where id = '" + id + "'" }
	inTenant := "tenant_id = '" + c.world.tenant + "'"
	sql := map[string]string{
		"signup":           count("tenant.users", "username like 'su%' or email like 'su%'"),
		"createUser":       count("tenant.users", inTenant),
		"updateUser":       version("tenant.users", c.world.ids["users"]),
		"createContact":    count("tenant.contacts", inTenant),
		"updateContact":    version("tenant.contacts", c.world.ids["address-book"]),
		"createNfe":        count("tenant.nfe_documents", inTenant),
		"updateNfe":        version("tenant.nfe_documents", c.world.ids["nfe"]),
		"voidNfeRange":     count("tenant.nfe_voided_ranges", inTenant),
		"createInvitation": count("tenant.invitations", "created_by is not null"),
		"inviteToTenant":   count("tenant.invitations", "created_by is null"),
		"createTenant":     count("control.tenants", "true"),
		// The version also counts what setTenantLimits does meanwhile.
		"updateTenant":    count("tenant.audit", "action = 'tenant.update' and target = '"+c.world.tenant+"'"),
		"setTenantLimits": count("control.limit_overrides", inTenant),
	}[c.op.name]
	if sql == "" {
		return 0
	}
	return dbtest.Value[int](c.t, c.s.db.AdminURL, sql)
}

func (c *inputs) unchanged(before int) {
	c.t.Helper()
	if diff := cmp.Diff(before, c.rows()); diff != "" {
		c.t.Errorf("%s: refused input has changed something:\n%s", c.op.name, diff)
	}
}

// member sends one member in every way.
func (c *inputs) member(name string, in, s *openapi3.Schema) {
	c.t.Helper()
	before := c.rows()
	nullable := s.Type.Includes("null")
	wrong := map[string]string{
		"null": "null", "an array": "[]", "an object": "{}", "a number out of every range": "1e400", "a negative one": "-1e400",
		"a number of many digits": strings.Repeat("9", 400), "a fraction": "0.5",
	}
	switch {
	case s.Type.Includes("string"):
		wrong["a number"], wrong["true"] = "1", "true"
	case s.Type.Is("array"):
		delete(wrong, "an array")
		body, _ := baseBodies[c.op.name](c)
		element := encode(c.t, body[name].([]any)[0])
		wrong["a word"], wrong["true"] = `"[]"`, "true"
		wrong["an array that is too long"] = "[" + strings.Repeat(element+",", int(*s.MaxItems)) + element + "]"
	case s.Type.Is("integer"):
		wrong["a number as text"], wrong["true"], wrong["too much for 64 bits"] = `"1"`, "true", "9223372036854775808"
		wrong["too little"], wrong["too much"] = fmt.Sprint(int64(*s.Min)-1), fmt.Sprint(int64(*s.Max)+1)
	case s.Type.Is("boolean"):
		wrong["a number"], wrong["a word"] = "1", `"true"`
	default:
		c.t.Errorf("%s: the test does not know the type of %s: %v", c.op.name, name, s.Type)
	}
	if nullable {
		delete(wrong, "null")
	}
	text := s.Type.Includes("string")
	if text && s.Enum == nil {
		maps.Copy(wrong, c.wrongText(name, s))
	}
	for _, v := range s.Enum {
		word := v.(string)
		wrong["in upper case "+word], wrong["with a space after "+word] = encode(c.t, strings.ToUpper(word)), encode(c.t, word+" ")
		wrong["an unknown word"], wrong["an empty word"] = `"x"`, `""`
	}
	for why, raw := range wrong {
		c.refuses(name, raw, "is "+why)
	}
	for _, surrogates := range []string{`\ud800`, `\udc00`, `\udc00\ud800`, `\ud800\u0041`} {
		if a := c.with(name, `"x`+surrogates+`"`); a.StatusCode != 400 || !strings.Contains(string(a.body), "invalid_json") {
			c.t.Errorf("%s: %s with the lone surrogate %s: got %d: %s", c.op.name, name, surrogates, a.StatusCode, a.body)
		}
	}
	c.unchanged(before)

	if nullable {
		c.accepts(name, "null", "null")
	}
	switch {
	case s.Type.Is("array"):
		c.accepts(name, "[]", "an empty array")
		nested := *c
		nested.list = name
		for _, member := range s.Items.Value.Required {
			nested.refuses(member, "", "is missing")
		}
		nested.members(s.Items.Value)
	case s.Type.Is("integer") && impossible[name]:
	case s.Type.Is("integer"):
		c.accepts(name, fmt.Sprint(int64(*s.Min)), "at its least")
		c.accepts(name, fmt.Sprint(int64(*s.Max)), "at its most")
	case s.Type.Is("boolean"):
		c.accepts(name, "false", "false")
		c.accepts(name, "true", "true")
	case s.Enum != nil:
		for _, v := range s.Enum {
			if !impossible[name+"="+v.(string)] {
				c.accepts(name, encode(c.t, v), "as "+v.(string))
			}
		}
	default:
		c.rightText(name, s)
	}
	if !slices.Contains(in.Required, name) && len(in.Properties) > 1 && c.op.name != "updateTenant" {
		c.accepts(name, "", "missing")
	}
}

// impossible are words that are right in another tenant, or with another
// member.
var impossible = map[string]bool{
	"policy=in_flight": true, // counts nothing per time
	"role=operator":    true, "placement=dedicated": true, "policy=tenant": true,
	"period": true, "burst": true, // their bounds depend on each other, see TestWrongOverrides
}

// text is how a member's text can be made.
type text struct {
	// fill is repeated between head and tail; wide is a character of four bytes
	// that may take its place, or 0.
	head, fill, tail string
	wide             rune
	// trimmed says that white space around it does not count.
	trimmed bool
}

// texts are made by these, so that they fit every rule but the one that is
// tried.
var texts = map[string]text{
	"username":          {fill: "a", wide: '\U00010428', trimmed: true}, // a Deseret letter
	"email":             {fill: "a", tail: "@b.c", wide: '\U0001F600', trimmed: true},
	"password":          {head: "Aa1", fill: "x", wide: '\U0001F600'},
	"new_password":      {head: "Aa1", fill: "x", wide: '\U0001F600'},
	"current_password":  {fill: "x", wide: '\U0001F600'},
	"username_or_email": {fill: "a", wide: '\U0001F600', trimmed: true},
	"name":              {fill: "a", wide: '\U0001F600', trimmed: true},
	"address":           {fill: "a", wide: '\U0001F600', trimmed: true},
	"phone":             {fill: "1", trimmed: true},
	"tenant_id":         {fill: "a"},
	"id":                {fill: "a"},
	"invite_token":      {fill: "a"},
	"refresh_token":     {fill: "a", tail: "." + strings.Repeat("b", 43)},
	"db_url":            {head: "postgres://u@127.0.0.1:1/", fill: "d"},
	"owner":             {fill: "a", wide: '\U0001F600', trimmed: true},
	"reason":            {fill: "a", wide: '\U0001F600', trimmed: true},
	"user_id":           {head: someUser, fill: "a"},
	"expires_at":        {head: "2999-01-01T00:00:00.", fill: "1", tail: "Z"},
}

// of makes a text of n characters. The first are random, so that no two are
// alike.
func (x text) of(n int, fill string) string {
	free := n - utf8.RuneCountInString(x.head+x.tail)
	if free < 0 {
		return (x.head + x.tail)[:max(n, 0)]
	}
	body := strings.Repeat(fill, free)
	if fill == "a" && free > 0 {
		random := strings.Map(func(r rune) rune { return 'a' + r%26 }, rand.Text()+rand.Text())
		body = (random + body)[:free]
	}
	return x.head + body + x.tail
}

func (c *inputs) wrongText(name string, s *openapi3.Schema) map[string]string {
	c.t.Helper()
	x, ok := texts[name]
	if !ok {
		c.t.Errorf("%s: the test cannot make a text for %s; add it to texts", c.op.name, name)
		return nil
	}
	ordinary := x.of(int(max(s.MinLength, uint64(utf8.RuneCountInString(x.head+x.tail)))+2), x.fill)
	wrong := map[string]string{
		"one character too long":    encode(c.t, x.of(int(*s.MaxLength)+1, x.fill)),
		"far too long":              encode(c.t, x.of(20_000, x.fill)),
		"with NUL":                  encode(c.t, ordinary[:1]+"\x00"+ordinary[1:]),
		"with a bell":               encode(c.t, ordinary+"\a"),
		"with a C1 control":         encode(c.t, ordinary[:1]+"\u0085"+ordinary[1:]),
		"in invalid UTF-8":          `"` + ordinary + "\xc3\x28" + `"`,
		"with an overlong NUL":      `"` + ordinary + "\xc0\x80" + `"`,
		"with an encoded surrogate": `"` + ordinary + "\xed\xa0\x80" + `"`,
	}
	if s.MinLength > 0 {
		wrong["empty"] = `""`
		wrong["one character too short"] = encode(c.t, x.of(int(s.MinLength)-1, x.fill))
		if name != "password" && name != "current_password" {
			wrong["blank"] = encode(c.t, strings.Repeat(" ", int(s.MinLength)+1))
			wrong["blank in Unicode"] = encode(c.t, strings.Repeat("\u2003\u00a0", int(s.MinLength)))
		}
	}
	return wrong
}

func (c *inputs) rightText(name string, s *openapi3.Schema) {
	c.t.Helper()
	x, ok := texts[name]
	if !ok {
		return
	}
	least, most := int(s.MinLength), int(*s.MaxLength)
	if fixed := utf8.RuneCountInString(x.head + x.tail); fixed < least || least == 0 {
		c.accepts(name, encode(c.t, x.of(max(least, fixed), x.fill)), "at its shortest")
	}
	c.accepts(name, encode(c.t, x.of(most, x.fill)), "at its longest")
	if x.trimmed {
		c.accepts(name, encode(c.t, " \t"+x.of(most, x.fill)+"\u2003 "), "with white space around it")
	}
	if x.wide != 0 {
		wide := x.of(most, string(x.wide))
		c.accepts(name, encode(c.t, wide), "of characters of four bytes")
		c.accepts(name, `"`+strings.ReplaceAll(wide, string(x.wide), escaped(x.wide))+`"`, "of surrogate pairs")
	}
	if x.wide != 0 && name != "email" { // NFC makes one character of the two
		c.accepts(name, encode(c.t, x.of(most, "e\u0301")), "of combined characters")
	}
}

// escaped is a character as JSON's pair of surrogates.
func escaped(r rune) string {
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}
