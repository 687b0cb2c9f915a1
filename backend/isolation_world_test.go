package backend

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// operator makes a user of the tenant platform and signs in.
func (s *testServer) operator(username string) pair {
	s.t.Helper()
	hasher, err := password.New(password.Config{MemoryKiB: 8, Time: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := createUser(s.t.Context(), dbtest.Open(s.t, s.db.OwnerURL), hasher, account.New{
		Tenant: token.PlatformTenant, Username: username, Email: username + "@example.com", Password: testPassword, Role: token.Operator,
	}); err != nil {
		s.t.Fatal(err)
	}
	return s.login(token.PlatformTenant, username)
}

// party is one side of the walk: a tenant with users and everything that the
// API can make.
type party struct {
	s      *testServer
	tenant string
	// mark is in every text that the party stores, and in nothing else; phone
	// and ip do the same where no letters may be. Marks are all of these, and
	// other names that nobody else may learn.
	mark, phone, ip string
	marks           []string
	owner           config.Secret // URL of a dedicated tenant's database
	data, main      *pgx.Conn     // see everything in the tenant's database, and in the main one
	admin, member   credentials
	ids             map[string]string
	invitation      string // the token of one that can be used
	spent           string // a refresh token that was used
	// keys are the requests with an Idempotency-Key that were made, by
	// operation.
	keys map[string]keyed
}

type credentials struct {
	tenant, username, id string
	pair
}

// keyed is a request that was made with an Idempotency-Key.
type keyed struct {
	by   *credentials
	key  string
	body map[string]any
	id   string // of what it made
}

// target is the id in the path of a keyed request.
func (k keyed) target(op *operation) string {
	if op.collection() == "" {
		return ""
	}
	return k.id
}

func (p *party) headers() []string {
	return []string{"User-Agent", "agent " + p.mark, "X-Forwarded-For", p.ip, "X-Request-Id", "request-" + p.mark}
}

func (p *party) do(method, path, bearer string, body any, headers ...string) answer {
	p.s.t.Helper()
	return p.s.do(method, path, bearer, body, append(p.headers(), headers...)...)
}

// signIn starts a session.
func (p *party) signIn(c *credentials) {
	p.s.t.Helper()
	p.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": c.username, "password": testPassword, "tenant_id": c.tenant,
	}).want(p.s.t, 200).into(p.s.t, &c.pair)
}

func digits(n int64) string {
	v, _ := rand.Int(rand.Reader, big.NewInt(n)) // never fails (crypto/rand)
	return fmt.Sprint(v.Int64() + n)
}

// newParty makes a tenant through the API, and in it one of everything.
func newParty(s *testServer, operator *credentials, dedicated bool) *party {
	t := s.t
	t.Helper()
	mark := "mark" + strings.ToLower(rand.Text())
	p := &party{
		s: s, tenant: "t-" + strings.ToLower(rand.Text())[:20], mark: mark, phone: digits(1e14),
		ids: map[string]string{}, keys: map[string]keyed{},
	}
	address := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	rand.Read(address[8:]) // never fails (crypto/rand)
	p.ip = netip.AddrFrom16(address).String()
	p.marks = []string{p.mark, p.phone, p.ip, p.tenant}
	tenant := map[string]any{"id": p.tenant, "name": "Tenant " + mark, "signup": "invite"}
	adminURL := s.db.AdminURL
	if dedicated {
		own := dbtest.NewDedicated(t)
		tenant["db_url"], p.owner = own.Reveal(), own
		p.marks = append(p.marks, strings.TrimPrefix(parse(t, own).Path, "/"))
		adminURL = inDatabase(t, adminURL, own)
	}
	p.ids["tenants"] = p.tenant
	p.keyed("createTenant", operator, "/api/v1/admin/tenants", tenant)
	s.do("PUT", limitsPath(p.tenant), operator.Access, map[string]any{"overrides": []any{
		map[string]any{"policy": "write", "requests": 1000, "period": 1, "reason": "Agreed " + mark},
	}}).want(t, 200)

	// The first admin is invited by the operator, who made the tenant.
	var invited struct{ ID, Token string }
	s.do("POST", "/api/v1/admin/tenants/"+p.tenant+"/invitations", operator.Access, map[string]any{"email": "admin@" + mark + ".example"}).
		want(t, 201).into(t, &invited)
	p.admin = p.signUp("admin."+mark, "admin@"+mark+".example", invited.Token)
	admin := p.admin.Access
	p.keyed("createUser", &p.admin, "/api/v1/users", map[string]any{
		"username": "member." + mark, "email": "member@" + mark + ".example", "password": testPassword,
	})
	p.member = credentials{tenant: p.tenant, username: "member." + mark, id: p.keys["createUser"].id}
	p.ids["users"] = p.member.id
	p.do("POST", "/api/v1/users", admin, map[string]any{
		"username": "spare." + mark, "email": "spare@" + mark + ".example", "password": testPassword, "active": false,
	}).want(t, 201)

	// Two of each, so that every list has a second page.
	for range 2 {
		p.signIn(&p.member)
		p.signIn(&p.admin)
		p.do("POST", "/api/v1/invitations", admin, map[string]any{"email": "guest@" + mark + ".example"}).want(t, 201).into(t, &invited)
	}
	p.ids["invitations"] = invited.ID
	p.do("POST", "/api/v1/invitations", admin, map[string]any{"role": "member"}).want(t, 201).into(t, &invited)
	p.invitation = invited.Token
	p.ids["sessions"] = s.session(p.member.Access)
	for range 2 {
		p.keyed("createContact", &p.member, "/api/v1/address-book", p.contact())
	}
	p.ids["address-book"] = p.keys["createContact"].id
	p.do("POST", "/api/v1/address-book/import", admin, "name,gender,age,address,phone,email\r\n"+
		fmt.Sprintf("Imported %s,male,40,Street %s,%s,in@%s.example\r\n", mark, mark, p.phone, mark), "Content-Type", "text/csv").want(t, 200)
	p.invoices(t)
	p.spent = p.member.Refresh
	p.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.member.Refresh}).want(t, 200).into(t, &p.member.pair)
	p.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": p.member.username, "password": "Wrong-Horse-7", "tenant_id": p.tenant,
	}).want(t, 401)
	p.data, p.main = dbtest.Connect(t, adminURL), dbtest.Connect(t, s.db.AdminURL)
	for table, rows := range dbtest.TenantRows(t, p.data, p.tenant) {
		if len(rows) == 0 {
			t.Errorf("tenant.%s has no row of the tenant; the walk has nothing to steal there: extend newParty", table)
		}
	}
	return p
}

// invoices makes parties, two documents that were issued and a draft, with
// something in every table.
func (p *party) invoices(t testing.TB) {
	t.Helper()
	// Two of each, so that every list has a second page.
	for i := range 2 {
		emitter, recipient, product := emitterBody(), recipientBody(), productBody()
		emitter["cnpj"], emitter["razao_social"] = randomCNPJ(), "Emitter "+p.mark
		recipient["cnpj"], recipient["razao_social"] = randomCNPJ(), "Recipient "+p.mark
		product["codigo"] = fmt.Sprint(p.mark, i)
		p.keyed("createEmitter", &p.member, "/api/v1/nfe/emitters", emitter)
		p.keyed("createRecipient", &p.member, "/api/v1/nfe/recipients", recipient)
		p.keyed("createProduct", &p.member, "/api/v1/nfe/products", product)
	}
	emitter, recipient, product := p.keys["createEmitter"].id, p.keys["createRecipient"].id, p.keys["createProduct"].id
	p.ids["emitters"], p.ids["recipients"], p.ids["products"] = emitter, recipient, product
	for _, steps := range [][]string{{"issue", "authorize", "cancel"}, {"issue", "reject", "issue", "deny"}} {
		body := nfeBody(emitter, 1)
		delete(body, "destinatario")
		item := nfeItem(1)
		item["product_id"], item["codigo"], item["ipi"] = product, p.mark, map[string]any{"cst": "53", "codigo_enquadramento": "999"}
		body["itens"], body["recipient_id"], body["natureza_operacao"] = []any{item}, recipient, "Venda "+p.mark
		body["transporte"] = map[string]any{"modalidade_frete": "9", "volumes": []any{map[string]any{"marca": p.mark}}}
		body["referencias"] = []any{map[string]any{"tipo": "0", "chave_acesso": "35260711222333000181550010000001231482193759"}}
		body["informacoes_fiscais"] = []any{map[string]any{"campo": "x", "texto": p.mark}}
		var d invoiceBody
		p.do("POST", "/api/v1/nfe", p.member.Access, body).want(t, 201).into(t, &d)
		for _, name := range steps {
			p.step(name, &d)
		}
	}
	// One that anybody could make with its key.
	p.keyed("createNfe", &p.member, "/api/v1/nfe", map[string]any{"natureza_operacao": "Venda " + p.mark})
	p.ids["nfe"] = p.keys["createNfe"].id
	p.imported(t)
	p.keyed("voidNfeRange", &p.admin, "/api/v1/nfe/void-range", map[string]any{
		"emitter_id": emitter, "ambiente": "2", "modelo": "55", "serie": "1", "numero_inicial": "10", "numero_final": "12", "justificativa": "Range " + p.mark,
	})
}

// imported makes a document of the file that is the document's example, with an
// Idempotency-Key.
func (p *party) imported(t testing.TB) {
	t.Helper()
	ops := operations(t)
	op := &ops[slices.IndexFunc(ops, func(op operation) bool { return op.name == "importNfe" })]
	k := keyed{by: &p.member, key: "key-" + p.mark + "-" + rand.Text()}
	a, _ := op.send(p.s, call{token: p.member.Access, header: append(p.headers(), "Idempotency-Key", k.key)})
	var made struct{ Document struct{ ID string } }
	a.want(t, 201).into(t, &made)
	k.id = made.Document.ID
	p.keys[op.name] = k
}

// randomCNPJ is one that nobody else has.
func randomCNPJ() string {
	n, _ := strconv.Atoi(digits(1e8)[1:])
	return freshCNPJ(n)
}

// step carries out a step in the life of a document, with an Idempotency-Key.
func (p *party) step(name string, d *invoiceBody) {
	p.s.t.Helper()
	k := keyed{by: &p.admin, key: "key-" + p.mark + "-" + rand.Text(), body: stepBody(*d, name), id: d.ID}
	p.do("POST", d.path()+"/"+name, p.admin.Access, k.body, "Idempotency-Key", k.key).want(p.s.t, 200).into(p.s.t, d)
	p.keys[name+"Nfe"] = k
}

func (p *party) contact() map[string]any {
	return map[string]any{
		"name": "Contact " + p.mark, "gender": true, "age": 42, "address": "Street " + p.mark, "phone": p.phone,
		"email": "contact@" + p.mark + ".example",
	}
}

// keyed makes a POST with an Idempotency-Key and keeps it.
func (p *party) keyed(operation string, by *credentials, path string, body map[string]any) {
	p.s.t.Helper()
	k := keyed{by: by, key: "key-" + p.mark + "-" + rand.Text(), body: body}
	var made struct{ ID string }
	headers := []string{"Idempotency-Key", k.key}
	if by.tenant == p.tenant { // what an operator does is the platform's
		headers = append(headers, p.headers()...)
	}
	p.s.do("POST", path, by.Access, body, headers...).want(p.s.t, 201).into(p.s.t, &made)
	k.id = made.ID
	p.keys[operation] = k
}

// signUp makes an account by invitation and signs in.
func (p *party) signUp(username, email, invitation string) credentials {
	p.s.t.Helper()
	c := credentials{tenant: p.tenant, username: username}
	var user struct{ ID string }
	p.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": username, "email": email, "password": testPassword, "tenant_id": p.tenant, "invite_token": invitation,
	}).want(p.s.t, 201).into(p.s.t, &user)
	c.id = user.ID
	p.signIn(&c)
	return c
}

// claims returns what an access token says.
func (s *testServer) claims(access string) token.Claims {
	s.t.Helper()
	claims, err := s.keys.Verify(access)
	if err != nil {
		s.t.Fatal(err)
	}
	return claims
}

// session returns the session of an access token.
func (s *testServer) session(access string) string {
	s.t.Helper()
	return s.claims(access).Session.String()
}

// inDatabase returns the superuser's URL of another database of the server.
func inDatabase(t testing.TB, admin, other config.Secret) config.Secret {
	t.Helper()
	u := parse(t, admin)
	u.Path = parse(t, other).Path
	return config.Secret(u.String())
}

func parse(t testing.TB, s config.Secret) *url.URL {
	t.Helper()
	u, err := url.Parse(s.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// loot is what an attacker may have got hold of.
type loot struct {
	*party
	// ids are all UUIDs and keys in the tenant's rows, with those first that the
	// API hands out.
	ids   []string
	uuids map[string]bool
	// cursors are of each list, by operation, with the query that they go with.
	cursors map[string][]url.Values
}

var uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// rows reads all that the party's database holds of it, and its rows of the
// control plane.
func (p *party) rows(t *testing.T) map[string][]string {
	t.Helper()
	rows := dbtest.TenantRows(t, p.data, p.tenant)
	var control string
	if err := p.main.QueryRow(t.Context(), `
		select to_jsonb(t)::text || coalesce(to_jsonb(p)::text, '') ||
			(select jsonb_agg(o)::text from control.limit_overrides o where o.tenant_id = t.id) from control.tenants t
		left join control.placements p on p.tenant_id = t.id where t.id = $1`, p.tenant).Scan(&control); err != nil {
		t.Fatal(err)
	}
	rows["control"] = []string{control}
	return rows
}

// loot collects what the party's rows and its answers hold.
func (p *party) loot(t *testing.T, ops []operation, operator string) loot {
	t.Helper()
	l := loot{party: p, uuids: map[string]bool{}, cursors: map[string][]url.Values{}}
	texts := map[string]bool{}
	for _, rows := range dbtest.TenantRows(t, p.data, p.tenant) {
		for _, row := range rows {
			var columns map[string]any
			if err := json.Unmarshal([]byte(row), &columns); err != nil {
				t.Fatal(err)
			}
			for name, value := range columns {
				text, _ := value.(string)
				switch {
				case text == "":
				case uuid.Validate(text) == nil && len(text) == 36:
					l.uuids[text] = true
				case namesThing.MatchString(name):
					texts[text] = true
				}
			}
		}
	}
	l.ids = slices.Concat(slices.Sorted(maps.Values(p.ids)), slices.Sorted(maps.Keys(l.uuids)), slices.Sorted(maps.Keys(texts)))
	for _, op := range ops {
		if op.param("query", "cursor") == nil {
			continue
		}
		bearer := p.admin.Access
		if op.role == "operator" {
			bearer = operator
		}
		for _, sort := range op.param("query", "sort").Schema.Value.Enum {
			q := url.Values{"sort": {sort.(string)}, "limit": {"1"}}
			var page struct {
				Metadata struct {
					NextCursor string `json:"next_cursor"`
				}
			}
			a, path := op.send(p.s, call{id: p.ownID(t, &op, p.admin), query: q, token: bearer})
			if err := json.Unmarshal(a.want(t, 200).body, &page); err != nil {
				t.Fatal(err)
			}
			if page.Metadata.NextCursor == "" {
				t.Errorf("%s has no second page; the walk has no cursor to steal: extend newParty", path)
			}
			q.Set("cursor", page.Metadata.NextCursor)
			l.cursors[op.name] = append(l.cursors[op.name], q)
		}
	}
	return l
}

// namesThing are names of columns whose text may stand in a path.
var namesThing = regexp.MustCompile(`(?:^|_)(?:id|key|hash|target|username|email|name)$`)

// ownID is an id of the party's own for an operation's path.
func (p *party) ownID(t *testing.T, op *operation, who credentials) string {
	t.Helper()
	switch kind := op.collection(); kind {
	case "":
		return ""
	case "users":
		return who.id
	case "sessions":
		return p.s.session(who.Access)
	default:
		id, ok := p.ids[kind]
		if !ok {
			t.Errorf("%s: the walk has no id of its own for %s: extend newParty", op.name, kind)
		}
		return id
	}
}

// shows returns something of the party that is in a text, other than what the
// one who got it had sent.
func (l *loot) shows(text string, sent ...string) string {
	for _, s := range sent {
		if s != "" {
			text = strings.ReplaceAll(text, s, "")
		}
	}
	for _, mark := range l.marks {
		if strings.Contains(text, mark) {
			return mark
		}
	}
	for _, id := range uuidForm.FindAllString(text, -1) {
		if l.uuids[id] {
			return id
		}
	}
	return ""
}
