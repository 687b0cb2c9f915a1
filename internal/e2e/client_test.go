package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/stack"
)

// client speaks to one gateway over TLS and holds every answer against the
// OpenAPI document.
type client struct {
	t    testing.TB
	base string
	http *http.Client
	// unchecked leaves the document out, for benchmarks.
	unchecked bool
}

func newClient(t testing.TB, s *stack.Stack, gateway int) *client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, base: s.Gateways[gateway].HTTPS, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	t    testing.TB
	body []byte
}

// do sends a request. Body is nil, a string that is sent as it is, or a value
// that is sent as JSON. Headers are name, value pairs.
func (c *client) do(method, path, bearer string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, bearer, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// try is do for tests in which a request may fail.
func (c *client) try(method, path, bearer string, body any, headers ...string) (answer, error) {
	c.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{resp, c.t, read}
	if !c.unchecked {
		checkContract(c.t, a)
	}
	return a, nil
}

// want fails the test unless the status is as wanted.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: got %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	return a
}

// into decodes the envelope's data.
func (a answer) into(data any) answer {
	a.t.Helper()
	var e struct{ Data json.RawMessage }
	if err := json.Unmarshal(a.body, &e); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	return a
}

// problem fails the test unless the answer is this problem, with findings for
// exactly these fields if any are given.
func (a answer) problem(status int, code string, fields ...string) answer {
	a.t.Helper()
	a.want(status)
	var p struct {
		Code   string
		Errors []struct{ Field string }
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
	}
	if p.Code != code || len(fields) > 0 && strings.Join(got, " ") != strings.Join(fields, " ") {
		a.t.Errorf("%s %s: got %s for %q, want %s for %q: %s", a.Request.Method, a.Request.URL, p.Code, got, code, fields, a.body)
	}
	return a
}

const password = "Correct-Horse-7"

// pair is what a login or a refresh gives.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// newUser signs a new user of tenant1 up and in.
func (c *client) newUser() (username string, p pair) {
	c.t.Helper()
	username = "u" + strings.ToLower(rand.Text())
	c.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": username, "email": username + "@example.com", "password": password, "tenant_id": stack.DemoTenant,
	}).want(201)
	return username, c.login(username, password, stack.DemoTenant)
}

func (c *client) login(username, password, tenant string) (p pair) {
	c.t.Helper()
	c.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": username, "password": password, "tenant_id": tenant,
	}).want(200).into(&p)
	return p
}

func contactBody() map[string]any {
	return map[string]any{
		"name": "Ana Souza", "gender": false, "age": 34, "address": "Rua das Flores 12",
		"phone": "+55 11 91234-5678", "email": "ana@example.com",
	}
}
