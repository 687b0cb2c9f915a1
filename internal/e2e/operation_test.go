package e2e

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/stack"
)

// succeeded are the operations that a test has seen succeed through a gateway.
var succeeded sync.Map

// untested returns the operations of the document that no test saw succeed. A
// run of some of the tests says nothing about that.
func untested() []string {
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return nil
	}
	doc, err := document()
	if err != nil {
		return []string{err.Error()}
	}
	var missing []string
	for template, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if _, ok := succeeded.Load(method + " " + template); !ok {
				missing = append(missing, method+" "+template)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// Each operation that the life of a tenant does not come by, in both
// placements.
func TestOperationsOfATenant(t *testing.T) {
	t.Parallel()
	for _, placement := range []string{"shared", "dedicated"} {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, shared, 1)
			dbURL := ""
			if placement == "dedicated" {
				dbURL = newDatabase(t)
			}
			operator := c.operator()
			id, admin, tokens := c.newTenant(operator, dbURL)

			// Users, conditionally.
			body := map[string]any{"username": "Zoë", "email": "zoe@example.com", "password": password}
			var user struct{ ID string }
			first := c.do("POST", "/api/v1/users", tokens.Access, body, "Idempotency-Key", "zoe").want(201).into(&user)
			again := c.do("POST", "/api/v1/users", tokens.Access, body, "Idempotency-Key", "zoe").want(201)
			if string(first.body) != string(again.body) || again.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("the repeat got %s", again.body)
			}
			body["username"] = "Zoe"
			c.do("POST", "/api/v1/users", tokens.Access, body, "Idempotency-Key", "zoe").problem(422, "idempotency_mismatch")
			c.do("POST", "/api/v1/users", tokens.Access, body).problem(409, "conflict")
			path := "/api/v1/users/" + user.ID
			tag := c.do("GET", path, tokens.Access, nil).want(200).Header.Get("ETag")
			change := map[string]any{"username": "Zoë", "email": "zoe@example.org", "active": true}
			c.do("PUT", path, tokens.Access, change, "If-Match", tag).want(200)
			c.do("PUT", path, tokens.Access, change, "If-Match", tag).problem(412, "precondition_failed")
			c.do("DELETE", path, tokens.Access, nil, "If-Match", "3").problem(400, "validation_failed", "If-Match")
			var list []struct{ Username string }
			c.do("GET", "/api/v1/users?q=ZO%C3%8B&role=member&active=true&sort=-username", tokens.Access, nil).want(200).into(&list)
			if len(list) != 1 || list[0].Username != "Zoë" {
				t.Errorf("got %v", list)
			}
			zoe := c.login("zoe@EXAMPLE.org", password, id)
			var sessions []struct{ Current bool }
			c.do("GET", path+"/sessions", tokens.Access, nil).want(200).into(&sessions)
			c.do("DELETE", path+"/sessions", tokens.Access, nil).want(200)
			c.do("GET", "/api/v1/auth/me", zoe.Access, nil).problem(401, "unauthenticated")
			if len(sessions) != 1 || sessions[0].Current {
				t.Errorf("got %v", sessions)
			}

			// Invitations.
			var invitation struct{ ID, Token, Status string }
			c.do("POST", "/api/v1/invitations", tokens.Access, map[string]any{"email": "new@example.com"}).want(201).into(&invitation)
			c.do("GET", "/api/v1/invitations?limit=1", tokens.Access, nil).want(200)
			c.do("DELETE", "/api/v1/invitations/"+invitation.ID, tokens.Access, nil).want(200)
			c.do("POST", "/api/v1/auth/signup", "", map[string]any{
				"username": "new", "email": "new@example.com", "password": password, "tenant_id": id, "invite_token": invitation.Token,
			}).problem(403, "signup_closed")

			// The address book as a file and back.
			c.do("POST", "/api/v1/address-book", tokens.Access, contactBody()).want(201)
			for format, media := range map[string]string{"csv": "text/csv", "vcard": "text/vcard"} {
				file := c.do("GET", "/api/v1/address-book/export?name=ana&age_gte=34&format="+format, tokens.Access, nil).want(200)
				var report struct{ Read, Created, Skipped int }
				c.do("POST", "/api/v1/address-book/import?dry_run=true", tokens.Access, string(file.body), "Content-Type", media).want(200)
				c.do("POST", "/api/v1/address-book/import?on_error=skip", tokens.Access, string(file.body), "Content-Type", media).want(200).into(&report)
				if report.Read == 0 || report.Created != report.Read {
					t.Errorf("%s: got %+v", format, report)
				}
			}
			c.do("POST", "/api/v1/address-book/import", tokens.Access, "name\nonly", "Content-Type", "text/csv").problem(400, "validation_failed")
			c.do("POST", "/api/v1/address-book/import", tokens.Access, map[string]any{}).problem(415, "unsupported_media_type")
			a := c.do("GET", "/api/v1/address-book?q=ana&count=exact&limit=1", tokens.Access, nil).want(200)
			if !strings.Contains(string(a.body), `"total":4`) { // one, doubled twice
				t.Errorf("got %s", a.body)
			}

			// The operator's side.
			tag = c.do("GET", "/api/v1/admin/tenants/"+id, operator, nil).want(200).Header.Get("ETag")
			c.do("PUT", "/api/v1/admin/tenants/"+id, operator, map[string]any{"plan": "premium", "name": "Renamed " + id}, "If-Match", tag).want(200)
			c.do("PUT", "/api/v1/admin/tenants/"+id, operator, map[string]any{"plan": "free"}, "If-Match", tag).problem(412, "precondition_failed")
			var tenants []struct{ ID, Plan, Placement string }
			c.do("GET", "/api/v1/admin/tenants?name="+strings.ToUpper("renamed%20"+id)+"&plan=premium&placement="+placement, operator, nil).want(200).into(&tenants)
			if len(tenants) != 1 || tenants[0].ID != id {
				t.Errorf("got %v", tenants)
			}
			c.do("POST", "/api/v1/admin/tenants", operator, map[string]any{"id": strings.ToUpper(id), "name": "Twin"}).problem(409, "conflict")
			var trail []struct {
				TenantID string `json:"tenant_id"`
			}
			c.do("GET", "/api/v1/admin/audit?tenant_id="+id+"&limit=500", operator, nil).want(200).into(&trail)
			if len(trail) < 8 {
				t.Errorf("got %d entries", len(trail))
			}
			c.do("GET", "/api/v1/admin/audit", tokens.Access, nil).problem(403, "forbidden")
			c.do("GET", "/api/v1/admin/tenants/"+id, c.login(admin, password, id).Access, nil).problem(403, "forbidden")
		})
	}
}

// What a client may not choose, through the gateway.
func TestOnlyTheTokenSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	username, tokens := c.newUser()
	var me, same map[string]any
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).into(&me)
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil, "X-User-Id", "1", "X-Role", "operator", "X-Forwarded-User", "operator").want(200).into(&same)
	if !maps.Equal(me, same) {
		t.Errorf("got %v, want %v", same, me)
	}
	for name, body := range map[string]map[string]any{
		"a tenant": {"tenant_id": "platform"}, "a role": {"role": "admin"}, "an id": {"id": me["id"]}, "activity": {"active": false},
	} {
		change := map[string]any{"username": username, "email": fmt.Sprintf("%s@example.com", username), "active": true}
		maps.Copy(change, body)
		if a := c.do("PUT", fmt.Sprintf("/api/v1/users/%s", me["id"]), tokens.Access, change); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d: %s", name, a.StatusCode, a.body)
		}
	}
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).into(&same)
	if !maps.Equal(me, same) || me["tenant_id"] != stack.DemoTenant {
		t.Errorf("got %v, want %v", same, me)
	}
}
