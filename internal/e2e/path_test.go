package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse/internal/stack"
)

// The whole way of a client, each step through another gateway than the one
// before.
func TestThePath(t *testing.T) {
	t.Parallel()
	a, b := newClient(t, shared, 0), newClient(t, shared, 1)
	username, tokens := a.newUser()

	var me struct {
		Username string
		TenantID string `json:"tenant_id"`
	}
	b.do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).into(&me)
	if me.Username != username || me.TenantID != stack.DemoTenant {
		t.Errorf("got %+v", me)
	}
	var contact struct {
		ID   string
		Name string
	}
	location := a.do("POST", "/api/v1/address-book", tokens.Access, contactBody()).want(201).into(&contact).Header.Get("Location")
	if location != "/api/v1/address-book/"+contact.ID {
		t.Errorf("got Location %q", location)
	}
	b.do("GET", location, tokens.Access, nil).want(200)
	b.do("HEAD", location, tokens.Access, nil).want(200)
	change := contactBody()
	change["name"] = "Ana Lima"
	a.do("PUT", location, tokens.Access, change).want(200)
	b.do("GET", location, tokens.Access, nil).want(200).into(&contact)
	if contact.Name != "Ana Lima" {
		t.Errorf("got %+v", contact)
	}
	a.do("DELETE", location, tokens.Access, nil).want(200)
	b.do("GET", location, tokens.Access, nil).problem(404, "not_found")

	var next pair
	a.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(200).into(&next)
	b.do("GET", "/api/v1/auth/me", next.Access, nil).want(200)
	a.do("POST", "/api/v1/auth/logout", next.Access, nil).want(200)
	for _, access := range []string{tokens.Access, next.Access} {
		b.do("GET", "/api/v1/auth/me", access, nil).problem(401, "unauthenticated")
		a.do("GET", "/api/v1/address-book", access, nil).problem(401, "unauthenticated")
	}
	b.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": next.Refresh}).problem(401, "invalid_refresh_token")
}

func TestListInPages(t *testing.T) {
	t.Parallel()
	a, b := newClient(t, shared, 0), newClient(t, shared, 1)
	_, _, tokens := a.newTenant(a.operator(), "")
	for _, name := range []string{"Zoé", "Álvaro", "Bruno", "Ana", "carla"} {
		body := contactBody()
		body["name"] = name
		a.do("POST", "/api/v1/address-book", tokens.Access, body).want(201)
	}
	var got []string
	cursor := ""
	for {
		answer := b.do("GET", "/api/v1/address-book?sort=name&limit=2"+cursor, tokens.Access, nil).want(200)
		var page struct {
			Data     []struct{ Name string }
			Metadata struct {
				NextCursor *string `json:"next_cursor"`
			}
		}
		if err := json.Unmarshal(answer.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Data {
			got = append(got, c.Name)
		}
		if page.Metadata.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.Metadata.NextCursor
		a, b = b, a
	}
	if want := "Álvaro Ana Bruno carla Zoé"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestDemoSignIn(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	tokens := c.login(stack.DemoUser, shared.Secrets.DemoPassword, stack.DemoTenant)
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)
	operator := c.login(stack.OperatorUser, shared.Secrets.OperatorPassword, "platform")
	var me struct{ Role string }
	c.do("GET", "/api/v1/auth/me", operator.Access, nil).want(200).into(&me)
	if me.Role != "operator" {
		t.Errorf("got role %q", me.Role)
	}
}

func TestPublicOperations(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	c.do("GET", "/api/v1/ping", "", nil).want(200)
	c.do("GET", "/health", "", nil).want(200)
	c.do("GET", "/api/v1/health", "", nil).want(200)
	c.do("GET", "/openapi.json", "", nil).want(200)
	c.do("GET", "/docs", "", nil).want(200)
	c.do("GET", "/docs/reference.css", "", nil).want(200)
}

// One request's lines in both processes carry the ID that the client got.
func TestRequestIDInBothLogs(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	id := c.do("GET", "/api/v1/address-book/"+uuid.NewString(), c.login(stack.DemoUser, shared.Secrets.DemoPassword, stack.DemoTenant).Access, nil).
		problem(404, "not_found").Header.Get("X-Request-Id")
	eventually(t, "both logs have the request ID", func() bool {
		backends := shared.Backends[0].Output() + shared.Backends[1].Output()
		return bytes.Contains([]byte(shared.Gateways[0].Output()), []byte(id)) && strings.Contains(backends, id)
	})
}
