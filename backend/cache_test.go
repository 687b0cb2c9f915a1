package backend

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/backend/internal/cache"
	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// withCache gives a backend a Redis of its test's own, and the cache in it.
func withCache(t testing.TB) func(*Config) {
	t.Helper()
	server := startRedis(t, stack.RedisOptions{Embedded: true})
	return cacheIn(server)
}

func startRedis(t testing.TB, o stack.RedisOptions) *stack.Redis {
	t.Helper()
	server, err := stack.StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func cacheIn(server *stack.Redis) func(*Config) {
	return func(c *Config) {
		c.Cache = cache.Config{Mode: "redis"}
		// A busy machine is not to make Redis look dead.
		c.Redis = redisconn.Config{URL: config.Secret(server.URL()), Timeout: 500 * time.Millisecond}
	}
}

// beside is a change that makes a backend share the database of another one.
func beside(s *testServer) func(*Config) {
	return func(c *Config) { c.Database.URL, c.Maint.URL = s.db.URL, s.db.MaintURL }
}

// write is an operation that changes something. It is called with what is there
// to be changed.
type write func(s *testServer, w *cacheWorld) answer

// cacheWorld is a tenant whose reads are cached.
type cacheWorld struct {
	admin, spare, operator actor
	contact                string
	// plain makes what is there to be changed.
	plain   *testServer
	emitter string
	nfe     invoiceBody // a draft
	// entries are the paths of an entry of each kind of the catalogue.
	entries map[string]string
}

// reads are the answers that come from the cache.
func (w *cacheWorld) reads() []func(s *testServer) answer {
	var list []func(s *testServer) answer
	for _, path := range []string{"/api/v1/auth/me", "/api/v1/address-book/" + w.contact, "/api/v1/address-book?sort=name&count=exact",
		w.nfe.path(), "/api/v1/nfe?count=exact", "/api/v1/nfe/summary",
		w.entries["emitter"], "/api/v1/nfe/emitters?count=exact", w.entries["recipient"], "/api/v1/nfe/recipients",
		w.entries["product"], "/api/v1/nfe/products?q=p"} {
		for _, by := range []actor{w.admin, w.spare} {
			list = append(list, func(s *testServer) answer { return s.do("GET", path, by.Access, nil) })
		}
	}
	return list
}

// newCacheWorld makes it anew for each operation.
func newCacheWorld(s *testServer, tenant string, operator actor) *cacheWorld {
	s.newTenant(operator, tenant, "open", "")
	w := &cacheWorld{operator: operator, plain: s}
	w.admin, w.spare = s.actor(tenant, "admin", token.Admin), s.actor(tenant, "spare", token.Member)
	var made struct{ ID string }
	s.do("POST", "/api/v1/address-book", w.admin.Access, contactBody()).want(s.t, 201).into(s.t, &made)
	w.contact = made.ID
	w.emitter = s.emitter(tenant)
	w.entries = map[string]string{}
	for name, kind := range catalogueKinds {
		body := kind.body()
		body[kind.unique] = kind.other // the emitter has the first
		s.do("POST", kind.path, w.admin.Access, body).want(s.t, 201).into(s.t, &made)
		w.entries[name] = kind.path + "/" + made.ID
	}
	s.do("POST", "/api/v1/nfe", w.admin.Access, nfeBody(w.emitter, 1)).want(s.t, 201).into(s.t, &w.nfe)
	return w
}

// nfeWrite is a step in the life of the draft, after those that must come before it,
// which the cache does not hear of.
func nfeWrite(steps ...string) write {
	return func(s *testServer, w *cacheWorld) answer {
		for _, name := range steps[:len(steps)-1] {
			w.plain.step(w.admin.Access, w.nfe, name).want(s.t, 200).into(s.t, &w.nfe)
		}
		return s.step(w.admin.Access, w.nfe, steps[len(steps)-1])
	}
}

// entryWrite makes, replaces or deletes an entry of a kind of the catalogue.
func entryWrite(method, name string) write {
	return func(s *testServer, w *cacheWorld) answer {
		kind := catalogueKinds[name]
		body := kind.body()
		switch method {
		case "POST":
			body[kind.unique] = map[string]any{"cnpj": "12345678000195", "codigo": "PAO-3"}[kind.unique]
			return s.do(method, kind.path, w.admin.Access, body)
		case "PUT":
			body[kind.unique] = kind.other
			body[map[string]string{"cnpj": "razao_social", "codigo": "descricao"}[kind.unique]] = "Another name"
			return s.do(method, w.entries[name], w.admin.Access, body)
		}
		return s.do(method, w.entries[name], w.admin.Access, nil)
	}
}

func request(method, path string, body any, headers ...string) write {
	return func(s *testServer, w *cacheWorld) answer {
		return s.do(method, path, w.admin.Access, body, headers...)
	}
}

func userFields(name string) map[string]any {
	return map[string]any{"username": name, "email": name + "@example.com", "active": true}
}

// writes are all operations that change something a cached read shows.
var writes = map[string]write{
	"createContact": request("POST", "/api/v1/address-book", contactBody()),
	"importContacts": request("POST", "/api/v1/address-book/import",
		"name,gender,age,address,phone,email\r\nAda,female,40,Street 1,+55 11 91234-5678,ada@example.com\r\n", "Content-Type", "text/csv"),
	"updateContact": func(s *testServer, w *cacheWorld) answer {
		body := contactBody()
		body["name"] = "Zoe"
		return s.do("PUT", "/api/v1/address-book/"+w.contact, w.admin.Access, body)
	},
	"createEmitter": entryWrite("POST", "emitter"), "updateEmitter": entryWrite("PUT", "emitter"), "deleteEmitter": entryWrite("DELETE", "emitter"),
	"createRecipient": entryWrite("POST", "recipient"), "updateRecipient": entryWrite("PUT", "recipient"), "deleteRecipient": entryWrite("DELETE", "recipient"),
	"createProduct": entryWrite("POST", "product"), "updateProduct": entryWrite("PUT", "product"), "deleteProduct": entryWrite("DELETE", "product"),
	"createNfe": func(s *testServer, w *cacheWorld) answer {
		return s.do("POST", "/api/v1/nfe", w.admin.Access, nfeBody(w.emitter, 2))
	},
	"importNfe": request("POST", "/api/v1/nfe/import", `<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe versao="4.00"><ide><natOp>Venda</natOp>
		<dhEmi>`+time.Now().Format(time.RFC3339)+`</dhEmi></ide><emit><CNPJ>12345678000195</CNPJ><xNome>Outra Padaria Ltda</xNome><enderEmit><xLgr>Rua A</xLgr>
		<nro>1</nro><xBairro>Centro</xBairro><cMun>3550308</cMun><xMun>São Paulo</xMun><UF>SP</UF><CEP>01001000</CEP></enderEmit><IE>110042490114</IE>
		<CRT>3</CRT></emit></infNFe></NFe>`, "Content-Type", "application/xml"),
	"updateNfe": func(s *testServer, w *cacheWorld) answer {
		return s.do("PUT", w.nfe.path(), w.admin.Access, with(nfeBody(w.emitter, 2), "version", 1))
	},
	"deleteNfe": func(s *testServer, w *cacheWorld) answer { return s.do("DELETE", w.nfe.path(), w.admin.Access, nil) },
	"issueNfe":  nfeWrite("issue"), "authorizeNfe": nfeWrite("issue", "authorize"), "rejectNfe": nfeWrite("issue", "reject"),
	"denyNfe": nfeWrite("issue", "deny"), "cancelNfe": nfeWrite("issue", "authorize", "cancel"),
	"deleteContact": func(s *testServer, w *cacheWorld) answer {
		return s.do("DELETE", "/api/v1/address-book/"+w.contact, w.admin.Access, nil)
	},
	"updateUser": func(s *testServer, w *cacheWorld) answer {
		return s.do("PUT", fmt.Sprint("/api/v1/users/", w.spare.ID), w.spare.Access, userFields("renamed"))
	},
	"deleteUser": func(s *testServer, w *cacheWorld) answer {
		return s.do("DELETE", fmt.Sprint("/api/v1/users/", w.spare.ID), w.admin.Access, nil)
	},
	"endUserSessions": func(s *testServer, w *cacheWorld) answer {
		return s.do("DELETE", fmt.Sprint("/api/v1/users/", w.spare.ID, "/sessions"), w.admin.Access, nil)
	},
	"endOwnSession": func(s *testServer, w *cacheWorld) answer {
		return s.do("DELETE", "/api/v1/auth/sessions/"+s.session(w.spare.Access), w.spare.Access, nil)
	},
	"logout": func(s *testServer, w *cacheWorld) answer {
		return s.do("POST", "/api/v1/auth/logout", w.spare.Access, nil)
	},
	"logoutAll": func(s *testServer, w *cacheWorld) answer {
		return s.do("POST", "/api/v1/auth/logout-all", w.spare.Access, nil)
	},
	"suspendTenant": suspend,
	"deleteTenant": func(s *testServer, w *cacheWorld) answer {
		suspend(s, w).want(s.t, 200)
		return s.do("DELETE", tenantsPath+"/"+s.claims(w.admin.Access).Tenant, w.operator.Access, nil)
	},
}

func suspend(s *testServer, w *cacheWorld) answer {
	return s.do("POST", tenantsPath+"/"+s.claims(w.admin.Access).Tenant+"/suspend", w.operator.Access, nil)
}

// unseen change nothing that a cached read shows. Whoever adds an operation has
// to decide for it.
var unseen = []string{
	"signup", "login", "refreshTokens", "changePassword", "createUser", // of somebody, but not what is shown
	"createInvitation", "deleteInvitation", "inviteToTenant",
	"createTenant", "updateTenant", "resumeTenant", "setTenantLimits", "validateNfe", "voidNfeRange",
}

// After every operation that changes something, two backends with a cache that
// knew everything before show what one without a cache shows.
func TestWritesReachTheCache(t *testing.T) {
	t.Parallel()
	on := cacheIn(startRedis(t, stack.RedisOptions{}))
	plain := newTestServer(t, func(c *Config) { c.Cache.Mode = "off" })
	ours, theirs := newTestServer(t, on, beside(plain)), newTestServer(t, on, beside(plain))
	operator := plain.newOperator()
	n := 0
	for _, op := range operations(t) {
		if !op.changes() || slices.Contains(unseen, op.name) {
			continue
		}
		write, ok := writes[op.name]
		if !ok {
			t.Errorf("%s is not known: add it to writes or to unseen", op.name)
			continue
		}
		n++
		w := newCacheWorld(plain, fmt.Sprint("walk-", n), operator)
		var before []string
		for _, read := range w.reads() {
			for _, s := range []*testServer{ours, theirs} {
				before = append(before, string(read(s).want(t, 200).body))
			}
		}
		if a := write(ours, w); a.StatusCode/100 != 2 {
			t.Errorf("%s: got %d: %s", op.name, a.StatusCode, a.body)
		}
		changed := false
		for i, read := range w.reads() {
			want := read(plain)
			changed = changed || string(want.body) != before[2*i]
			for _, s := range []*testServer{ours, theirs} {
				got := read(s)
				// Of a session's end another backend hears a moment later.
				for i := 0; s == theirs && want.StatusCode/100 == 4 && got.StatusCode == 200 && i < 300; i++ {
					time.Sleep(10 * time.Millisecond)
					got = read(s)
				}
				if got.StatusCode != want.StatusCode || want.StatusCode == 200 && string(got.body) != string(want.body) {
					t.Errorf("after %s GET %s shows %d %s; want %d %s", op.name, got.Request.URL, got.StatusCode, got.body, want.StatusCode, want.body)
				}
			}
		}
		if !changed {
			t.Errorf("%s changed nothing that is read: it proves nothing here", op.name)
		}
	}
	if n != len(writes) {
		t.Errorf("%d of %d writes are operations of the document", n, len(writes))
	}
}
