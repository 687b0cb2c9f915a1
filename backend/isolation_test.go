package backend

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

// Another tenant's user gets nothing and changes nothing, whatever it sends:
// each operation of the document is called with everything that a victim's rows
// and answers hold, for each pair of placements. The test is generated from the
// document and the catalog, so what is added to them later is attacked as well
// or makes it fail.
func TestTenantsAreIsolated(t *testing.T) {
	t.Parallel()
	for _, victim := range []bool{false, true} {
		for _, attacker := range []bool{false, true} {
			t.Run(fmt.Sprintf("victim dedicated=%v, attacker dedicated=%v", victim, attacker), func(t *testing.T) {
				t.Parallel()
				newWalk(t, victim, attacker).run()
			})
		}
	}
}

// walk is one attacker's way through all operations.
type walk struct {
	t        *testing.T
	s        *testServer
	ops      []operation
	operator credentials
	attacker *party
	victim   loot
	before   map[string][]string // the victim's rows
	// told is what the platform's own audit trail tells of the victim: what
	// operators did for it.
	told  string
	calls int
}

func newWalk(t *testing.T, victimDedicated, attackerDedicated bool) *walk {
	t.Helper()
	s := newTestServer(t)
	w := &walk{t: t, s: s, ops: operations(t)}
	w.operator = credentials{tenant: token.PlatformTenant, username: "operator.one"}
	w.operator.pair = s.operator(w.operator.username)
	w.operator.id = s.claims(w.operator.Access).UserID.String()
	w.attacker = newParty(s, &w.operator, attackerDedicated)
	victim := newParty(s, &w.operator, victimDedicated)
	w.victim = victim.loot(t, w.ops, w.operator.Access)
	w.before = victim.rows(t)
	w.told = strings.Join(dbtest.TenantRows(t, dbtest.Connect(t, s.db.AdminURL), token.PlatformTenant)["audit"], "\n")
	return w
}

func (w *walk) run() {
	w.t.Helper()
	w.checkDocument()
	w.withoutToken()
	for _, who := range []*credentials{&w.attacker.member, &w.attacker.admin, &w.operator} {
		for i := range w.ops {
			op := &w.ops[i]
			if who == &w.operator && op.role == "operator" {
				continue // operators administer all tenants
			}
			w.attack(op, who)
			w.unchanged(op.name)
		}
	}
	w.forgedTokens()
	w.ownStillClean()
	w.idempotencyKeys()
	w.unchanged("all")
	w.lootIsReal()
}

// grows are tables in which a stranger may leave rows in a tenant: its failed
// sign-ins.
var grows = map[string][]string{"login": {"login_events", "login_failures"}}

// unchanged fails the test when the victim's rows are not as they were.
func (w *walk) unchanged(after string) {
	w.t.Helper()
	now := w.victim.rows(w.t)
	for _, table := range grows[after] {
		for _, row := range w.before[table] {
			if !slices.Contains(now[table], row) {
				w.t.Errorf("after %s a row is missing or another one in the victim's %s: %s", after, table, row)
			}
		}
		w.before[table] = now[table]
	}
	if diff := cmp.Diff(w.before, now); diff != "" {
		w.t.Errorf("after %s the victim's rows have changed:\n%s", after, diff)
		w.before = now
	}
}

// withoutToken calls everything that is not public.
func (w *walk) withoutToken() {
	w.t.Helper()
	for i := range w.ops {
		op := &w.ops[i]
		if op.public {
			continue
		}
		for j, c := range []call{{}, {token: w.victim.member.Refresh}, {header: []string{"X-Tenant-Id", w.victim.tenant}}} {
			if op.collection() != "" {
				c.id = w.victim.ids[j]
			}
			w.send(op, c).problem(w.t, 401, "unauthenticated")
		}
	}
	w.unchanged("calls without a token")
}

// forgedTokens calls everything with tokens that say one tenant, and a session
// or user of another's. None can be had, so they are signed here.
func (w *walk) forgedTokens() {
	w.t.Helper()
	w.attacker.signIn(&w.attacker.admin)
	victim, attacker := w.s.claims(w.victim.admin.Access), w.s.claims(w.attacker.admin.Access)
	for _, change := range []func(c *token.Claims){
		func(c *token.Claims) { c.Tenant = victim.Tenant },
		func(c *token.Claims) { c.Session = victim.Session },
		func(c *token.Claims) { c.Session, c.UserID = victim.Session, victim.UserID },
	} {
		forged := attacker
		change(&forged)
		signed, err := w.s.keys.Sign(forged, time.Minute)
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range w.ops {
			op := &w.ops[i]
			if op.public {
				continue
			}
			for _, id := range []string{w.own(op, w.attacker.admin), w.victim.ownID(w.t, op, w.victim.admin)} {
				status := 401
				if op.role == "operator" {
					status = 403
				}
				if a := w.send(op, call{id: id, token: signed}); a.StatusCode != status {
					w.t.Errorf("%s with a forged token: got %d, want %d: %s", op.name, a.StatusCode, status, a.body)
				}
			}
		}
	}
	w.unchanged("calls with forged tokens")
}

// ownStillClean looks for the victim's things in everything that the attacker
// has now.
func (w *walk) ownStillClean() {
	w.t.Helper()
	for _, rows := range w.attacker.rows(w.t) {
		for _, row := range rows {
			if got := w.victim.shows(row); got != "" {
				w.t.Errorf("a row of the attacker holds %q of the victim: %s", got, row)
			}
		}
	}
	for _, who := range []*credentials{&w.attacker.member, &w.attacker.admin} {
		w.attacker.signIn(who)
		for i := range w.ops {
			if op := &w.ops[i]; !op.changes() {
				w.send(op, call{id: w.own(op, *who), query: w.wide(op), token: who.Access})
			}
		}
	}
}

// wide asks for the longest page there is.
func (w *walk) wide(op *operation) url.Values {
	q := url.Values{}
	if op.param("query", "limit") != nil {
		q.Set("limit", "500")
	}
	return q
}

// idempotencyKeys repeats the victim's requests, key and body and all. This
// comes last, since the attacker may well make the same things for itself.
func (w *walk) idempotencyKeys() {
	w.t.Helper()
	for i := range w.ops {
		op := &w.ops[i]
		if op.param("header", "Idempotency-Key") == nil {
			continue
		}
		k, ok := w.victim.keys[op.name]
		if !ok {
			w.t.Errorf("%s: the victim used no Idempotency-Key: extend newParty", op.name)
			continue
		}
		for _, who := range []*credentials{&w.attacker.member, &w.attacker.admin, &w.operator} {
			if who == &w.operator && op.role == "operator" {
				continue
			}
			w.attacker.signIn(who)
			a, path := op.send(w.s, call{id: k.target(op), body: k.body, token: who.Access, header: []string{"Idempotency-Key", k.key}})
			w.want(op, who, madeWithKey(op, who == &w.attacker.admin), a, "the key")
			if a.Header.Get("Idempotency-Replayed") != "" || !strings.Contains(path, k.id) && strings.Contains(string(a.body)+a.Header.Get("Location"), k.id) {
				w.t.Errorf("%s by %s with the victim's key is a replay: %s", op.name, who.username, a.body)
			}
		}
	}
}

// madeWithKey is what a stranger gets who has only the key and the body. Again says
// that somebody of the stranger's tenant has done the same already.
func madeWithKey(op *operation, again bool) int {
	switch {
	case again && slices.Contains([]string{"createEmitter", "createRecipient", "createProduct"}, op.name): // which are unique
		return 409
	case op.collection() != "": // the thing is not the stranger's
		return 404
	case op.name == "voidNfeRange": // nor is the emitter
		return 400
	}
	return 201
}

// lootIsReal shows that what was tried in vain is good in the hands of its
// owner, and that the walk would have seen it.
func (w *walk) lootIsReal() {
	w.t.Helper()
	v := w.victim.party
	inOrder := []string{"GET", "POST", "PUT", "DELETE"}
	ops := slices.SortedStableFunc(slices.Values(w.ops), func(a, b operation) int {
		return slices.Index(inOrder, a.method) - slices.Index(inOrder, b.method)
	})
	for i := range ops {
		op := &ops[i]
		if op.public {
			continue
		}
		v.signIn(&v.admin)
		v.signIn(&v.member)
		v.signIn(&w.operator)
		bearer := v.admin.Access
		if op.role == "operator" {
			bearer = w.operator.Access
		}
		for _, q := range w.victim.cursors[op.name] {
			if a, _ := op.send(w.s, call{id: v.ownID(w.t, op, v.admin), query: q, token: bearer}); a.StatusCode != 200 {
				w.t.Errorf("%s: the cursor does not work for its owner: %d %s", op.name, a.StatusCode, a.body)
			}
		}
		if k, ok := v.keys[op.name]; ok {
			a, _ := op.send(w.s, call{id: k.target(op), body: k.body, token: k.by.Access, header: []string{"Idempotency-Key", k.key}})
			if a.Header.Get("Idempotency-Replayed") != "true" || !strings.Contains(string(a.body), k.id) {
				w.t.Errorf("%s: the key does not work for its owner: %d %s", op.name, a.StatusCode, a.body)
			}
		}
		if !op.changes() {
			w.showsMarks(op, bearer)
		}
		if op.collection() != "" && !slices.Contains(closing, op.name) && !w.reaches(op, bearer) {
			w.t.Errorf("%s: not one of %d ids is good for its owner", op.name, len(w.victim.ids))
		}
	}
	v.signIn(&v.admin)
	var p pair
	w.s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": v.admin.Refresh}).want(w.t, 200).into(w.t, &p)
	v.signUp("late."+v.mark, "late@"+v.mark+".example", v.invitation)
	for _, name := range closing {
		i := slices.IndexFunc(w.ops, func(op operation) bool { return op.name == name })
		a, _ := w.ops[i].send(w.s, call{id: v.tenant, token: w.operator.Access})
		a.want(w.t, 200)
	}
	if w.victim.owner != "" && strings.Contains(w.s.logs.String(), strings.TrimPrefix(parse(w.t, w.victim.owner).Path, "/")) {
		w.t.Error("the log names the victim's database")
	}
	if w.calls < 1000 {
		w.t.Errorf("made %d calls only", w.calls)
	}
}

// closing are the operations after which the tenant cannot be used, in an order
// in which all can be called.
var closing = []string{"suspendTenant", "deleteTenant"}

// unmarked are operations that tell a tenant nothing of its own, or only
// numbers.
var unmarked = []string{"getTenantStatus", "getNfeDanfe"} // the latter is compressed

func (w *walk) showsMarks(op *operation, bearer string) {
	w.t.Helper()
	v := w.victim.party
	a, path := op.send(w.s, call{id: v.ownID(w.t, op, v.admin), query: w.wide(op), token: bearer})
	a.want(w.t, 200)
	if w.victim.shows(string(a.body), path) == "" && !slices.Contains(unmarked, op.name) {
		w.t.Errorf("%s shows its owner nothing that the walk would know again: %s", op.name, a.body)
	}
}

// reaches reports whether one of the ids means something to its owner. Those
// that the owner needs to go on are left alone by what changes things.
func (w *walk) reaches(op *operation, bearer string) bool {
	w.t.Helper()
	v := w.victim.party
	for _, id := range w.victim.ids {
		if op.changes() && slices.Contains([]string{v.admin.id, v.member.id}, id) && op.name != "endUserSessions" {
			continue
		}
		if a, _ := op.send(w.s, call{id: id, token: bearer}); a.StatusCode < 300 || a.StatusCode == 409 {
			return true
		}
	}
	return false
}
