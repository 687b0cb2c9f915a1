package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/invoice"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/token"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	testSecret   = "Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXoIt9vCb4Q"
	testPassword = "Correct-Horse-7"
)

// testServer is a whole backend over a real database and a real socket.
type testServer struct {
	t    testing.TB
	db   *dbtest.Database
	url  string
	keys *token.Keyring
	logs *syncBuffer
	b    *Backend
}

func newTestServer(t testing.TB, change ...func(*Config)) *testServer {
	t.Helper()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	db.AddTenant(t, "globex", "open")
	db.AddTenant(t, "closed", "closed")
	c := Config{
		Database:        pg.Config{URL: db.URL, MaxConns: 8, PoolWait: 5 * time.Second, Pooler: "session"},
		Maint:           pg.MaintConfig{URL: db.MaintURL},
		Tenants:         placement.Config{Key: testSecret, Pools: 4, PoolConns: 4, OnMain: "allow", Local: dbtest.Local(), Connect: 10 * time.Second},
		Cache:           cache.Config{Mode: "off"},
		Redis:           redisconn.Config{URL: "redis://127.0.0.1:1/0", Timeout: 10 * time.Millisecond},
		Token:           token.Config{Secret: testSecret, Issuer: "gatehouse", Audience: "gatehouse"},
		Cursor:          web.CursorConfig{Keys: testSecret},
		Password:        password.Config{MemoryKiB: 8, Time: 1},
		Invoice:         invoice.Config{Window: "55=24h,65=30m"},
		MaxAge:          900,
		TrustedGateways: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		RequestTimeout:  10 * time.Second,
		ShutdownTimeout: 5 * time.Second,
	}
	if os.Getenv("CACHE") == "redis" { // the whole suite, with the cache on
		withCache(t)(&c)
	}
	for _, f := range change {
		f(&c)
	}
	logs := &syncBuffer{}
	b, err := New(c, slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	api, ops := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, api, ops) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		for line := range strings.SplitSeq(logs.String(), "\n") {
			if t.Failed() && strings.Contains(line, `"ERROR"`) {
				t.Log(line)
			}
		}
	})
	return &testServer{t: t, db: db, url: "http://" + api.Addr().String(), keys: token.NewKeyring(c.Token, time.Now), logs: logs, b: b}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request; body may be a string (sent as it is) or any value (sent
// as JSON); headers are name, value pairs.
func (s *testServer) do(method, path, bearer string, body any, headers ...string) answer {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, reader)
	if err != nil {
		s.t.Fatal(err)
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
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, read}
}

// want fails the test unless the status is as wanted.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("got %d, want %d: %s", a.StatusCode, status, a.body)
	}
	return a
}

// into decodes the envelope's data.
func (a answer) into(t testing.TB, data any) answer {
	t.Helper()
	var e struct{ Data json.RawMessage }
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return a
}

// problemBody is what tests look at in a problem.
type problemBody struct {
	Code      string
	Message   string
	RequestID string `json:"request_id"`
	Errors    []struct{ Field, Code, Message string }
}

// problem fails the test unless the answer is this problem with findings for
// exactly these fields.
func (a answer) problem(t testing.TB, status int, code string, fields ...string) problemBody {
	t.Helper()
	a.want(t, status)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got content type %q", got)
	}
	var p problemBody
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
	}
	if p.Code != code || fields != nil && strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("got %s for fields %q, want %s for %q: %s", p.Code, got, code, fields, a.body)
	}
	return p
}

type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
}

// signup makes a user of a tenant and signs in.
func (s *testServer) signup(tenant, username string) pair {
	s.t.Helper()
	s.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": username, "email": username + "@example.com", "password": testPassword, "tenant_id": tenant,
	}).want(s.t, 201)
	return s.login(tenant, username)
}

func (s *testServer) login(tenant, username string) pair {
	s.t.Helper()
	var p pair
	s.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": username, "password": testPassword, "tenant_id": tenant,
	}).want(s.t, 200).into(s.t, &p)
	return p
}

func contactBody() map[string]any {
	return map[string]any{
		"name": "Ana Souza", "gender": false, "age": 34, "address": "Rua das Flores 12\nSão Paulo",
		"phone": "+55 11 91234-5678", "email": "ana@example.com",
	}
}
