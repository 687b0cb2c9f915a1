package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// secrets makes what must not be found again, each under what it was.
type secrets map[string]string

// new returns a secret that looks like a password.
func (s secrets) new(what string) string {
	value := "Sec-" + rand.Text() + "-7x"
	s[what] = value
	return value
}

// Whatever a client sends, and however it goes wrong, nothing of it is in a line
// of either process, even with all that LOG_LEVEL=debug tells: neither secrets
// nor names of users and tenants.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{GatewayEnv: []string{"LOG_LEVEL=debug"}, BackendEnv: []string{"LOG_LEVEL=debug"}})
	hidden := secrets{
		"JWT_SECRET": s.Secrets.JWT, "CURSOR_ENCRYPTION_KEY": s.Secrets.CursorKey, "TENANT_DB_KEY": s.Secrets.TenantKey, "LOG_HASH_KEY": s.Secrets.LogHash,
		"gh_owner": s.Secrets.OwnerPassword, "gh_app": s.Secrets.AppPassword, "gh_maint": s.Secrets.MaintPassword, "operator": s.Secrets.OperatorPassword,
	}
	c := newClient(t, s, 0)
	c.unchecked = true // what is asked here has no operation, or is none
	operator := c.login(stack.OperatorUser, s.Secrets.OperatorPassword, "platform")
	throughSignIn(t, c, s, operator.Access, hidden)
	throughHeaders(c, s, operator.Access, hidden)
	throughRawBytes(t, c, s, hidden)
	throughDatabases(c, s, operator.Access, hidden)

	// Lines wait for a moment; those of the last request come last.
	gateways, backends := processes(s)
	last := c.do("GET", "/api/v1/ping", "", nil).want(200).Header.Get("X-Request-Id")
	eventually(t, "the last lines", func() bool {
		return len(accessLines(t, gateways, last)) == 1 && len(accessLines(t, backends, last)) == 1
	})
	for _, p := range append(gateways, backends...) {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		output := p.Output()
		if n := strings.Count(output, `"msg":"request"`); n < 40 {
			t.Errorf("%s: %d requests have a line", p.Name(), n)
		}
		for what, secret := range hidden {
			for line := range strings.Lines(output) {
				for _, form := range forms(secret) {
					if strings.Contains(strings.ToLower(line), strings.ToLower(form)) {
						t.Errorf("%s: the %s is in %s", p.Name(), what, line)
					}
				}
			}
		}
	}
}

// forms are the ways in which a secret could be written down.
func forms(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret),
	}
}

// throughSignIn feeds what people sign in with, rightly and wrongly.
func throughSignIn(t *testing.T, c *client, s *stack.Stack, operator string, hidden secrets) {
	id, admin, tokens := c.newTenant(operator, "")
	hidden["tenant"], hidden["user name"] = id, admin
	hidden["operator's token"], hidden["access token"], hidden["refresh token"] = operator, tokens.Access, tokens.Refresh
	hidden["signature"] = tokens.Access[strings.LastIndexByte(tokens.Access, '.')+1:]

	login := func(name, pw, tenant string) answer {
		return c.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": name, "password": pw, "tenant_id": tenant})
	}
	for range 12 { // until the backoff says so
		login(admin, hidden.new("wrong password"), id)
	}
	login(hidden.new("password in place of a name"), hidden.new("password of nobody"), id)
	login(admin, hidden.new("password for no tenant"), "nosuch")
	login(admin, hidden.new("password"), hidden.new("password in place of a tenant"))
	c.do("POST", "/api/v1/auth/login", "", `{"password":"`+hidden.new("password in broken JSON")+`","x`)
	c.do("POST", "/api/v1/auth/login", "", `{"`+hidden.new("member's name")+`":"`+hidden.new("member's value")+`"}`)
	c.do("POST", "/api/v1/auth/login?password="+hidden.new("password in a query"), "", "{}")
	c.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": "ana", "email": hidden.new("address") + "@example.com", "password": hidden.new("new password"), "tenant_id": id,
		"invite_token": hidden.new("invitation"),
	})
	c.do("POST", "/api/v1/auth/password", tokens.Access, map[string]any{
		"current_password": hidden.new("current password"), "new_password": hidden.new("changed password"),
	})
	c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": hidden.new("made-up refresh token")})
	var next pair
	c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(200).into(&next)
	hidden["next refresh token"] = next.Refresh
	c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(401) // stolen, as it seems

	// Tokens that are none, or not any more.
	for what, bearer := range map[string]string{
		"a revoked token": next.Access, "a forged token": next.Access[:len(next.Access)-10] + "AAAAAAAAAA", "no token": hidden.new("bearer"),
		"another's token": "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(hidden.new("claim"))) + ".AAAA",
	} {
		hidden[what] = bearer
		c.do("GET", "/api/v1/auth/me", bearer, nil)
	}
	hidden["demo user"] = s.Secrets.DemoPassword
	demo := c.login(stack.DemoUser, s.Secrets.DemoPassword, stack.DemoTenant).Access
	c.do("GET", "/api/v1/auth/me", demo, nil, "X-Tenant-Id", hidden.new("tenant in a header"))
	c.do("POST", "/api/v1/address-book", demo, `{"name":"`+hidden.new("body")+`"}`)
	c.do("POST", "/api/v1/address-book", demo, contactBody(), "Idempotency-Key", hidden.new("idempotency key")).want(201)
	c.do("POST", "/api/v1/address-book/import", demo, "name,phone\n"+hidden.new("file")+",1\n", "Content-Type", "text/csv")
	c.do("GET", "/api/v1/address-book?cursor="+hidden.new("cursor"), demo, nil)
	c.do("GET", "/api/v1/address-book?q="+hidden.new("search"), demo, nil).want(200)
	c.do("GET", "/api/v1/address-book?limit="+hidden.new("limit"), demo, nil)
	c.do("GET", "/api/v1/address-book/"+hidden.new("id"), demo, nil)
}

// throughHeaders feeds headers, paths and methods, to the gateway and straight to
// the backend.
func throughHeaders(c *client, s *stack.Stack, operator string, hidden secrets) {
	backend := &client{t: c.t, base: s.Backends[0].API, http: c.http, unchecked: true}
	c.do("GET", "/api/v1/ping", "", nil, "X-Request-Id", hidden.new("request ID")) // a gateway's own is believed by the backend
	for _, to := range []*client{c, backend} {
		for _, name := range []string{
			"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization", "User-Agent", "Referer", "Origin", "Idempotency-Key", "If-Match",
			"Traceparent", "Tracestate", "Baggage", "Forwarded", "X-Forwarded-Proto", "X-Real-Ip", "X-Tenant-Id", "X-User-Id", "Accept",
			"X-Forwarded-For", "Content-Type", "Content-Encoding", "Accept-Language", "X-Request-Timeout", "X-Http-Method-Override",
		} {
			to.do("GET", "/api/v1/ping", "", nil, name, hidden.new(name))
			to.do("POST", "/api/v1/auth/login", operator, "{}", name, hidden.new(name+" of a POST"))
		}
		to.do("GET", "/api/v1/"+hidden.new("path"), "", nil)
		to.do("GET", "/"+hidden.new("path with a slash")+"/", operator, nil)
		to.do("GET", "/api/v1/admin/tenants/"+strings.ToLower(hidden.new("tenant's path")), operator, nil)
		to.do("GET", "/api/v1/ping?"+hidden.new("parameter")+"="+hidden.new("value"), "", nil)
		to.do(hidden.new("method"), "/api/v1/ping", "", nil)
	}
}

// throughRawBytes feeds what is no request.
func throughRawBytes(t *testing.T, c *client, s *stack.Stack, hidden secrets) {
	secure := &tls.Dialer{Config: &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12}}
	plain := &net.Dialer{}
	for name, dial := range map[string]func() (net.Conn, error){
		"gateway": func() (net.Conn, error) {
			return secure.DialContext(t.Context(), "tcp", strings.TrimPrefix(c.base, "https://"))
		},
		"backend": func() (net.Conn, error) {
			return plain.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Backends[0].API, "http://"))
		},
	} {
		for _, request := range []string{
			"GET /%s HTTP/1.1\r\nHost x\r\n\r\n",
			"%s\r\n\r\n",
			"GET /api/v1/ping HTTP/%s\r\nHost: x\r\n\r\n",
			"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n %s\r\n\r\n",
			"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nCookie %s\r\n\r\n",
			"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\n%s: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
			"GET /api/v1/ping HTTP/1.1\r\nHost: user:%s@x\r\n\r\n",
			"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
			"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %s\r\n\r\n",
			"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n\r\n",
			"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nCookie: %s" + strings.Repeat("x", 40<<10) + "\r\n\r\n",
		} {
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := fmt.Fprintf(conn, request, hidden.new(name+": "+request[:min(len(request), 90)])); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 12)
			if _, err := io.ReadFull(conn, answer); err != nil || name == "gateway" && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
				t.Errorf("%s: %.60q: got %q, %v", name, request, answer, err)
			}
			_ = conn.Close()
		}
	}
}

// throughDatabases feeds connection strings that are malformed, lead nowhere, or
// to a server that refuses them.
func throughDatabases(c *client, s *stack.Stack, operator string, hidden secrets) {
	server, err := url.Parse(s.AdminURL)
	if err != nil {
		c.t.Fatal(err)
	}
	for what, dbURL := range map[string]string{
		"of a closed port":    "postgres://owner:%s@127.0.0.1:1/own",
		"of a wrong password": "postgres://" + server.User.Username() + ":%s@" + server.Host + "/own",
		"of no such role":     "postgres://%s:x@" + server.Host + "/own",
		"of no host":          "postgres://owner:%s@/own",
		"of another scheme":   "mysql://owner:%s@db/own",
		"with an escape":      "postgres://owner:%%zz%s@db/own",
		"with a parameter":    "postgres://owner:x@db/own?password=%s",
		"that is none":        "%s",
	} {
		c.do("POST", "/api/v1/admin/tenants", operator, map[string]any{
			"id": "t" + strings.ToLower(rand.Text()), "name": "Own", "db_url": fmt.Sprintf(dbURL, hidden.new("db_url "+what)),
		})
	}
}
