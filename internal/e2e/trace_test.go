package e2e

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"gatehouse/internal/stack"
)

// tracedStack starts a stack of which every request is traced, and its collector.
func tracedStack(t *testing.T, o stack.Options) (*stack.Stack, *spanCollector) {
	t.Helper()
	spans := newSpanCollector(t)
	env := "OTEL_EXPORTER_OTLP_ENDPOINT=" + spans.URL
	o.GatewayEnv = append(o.GatewayEnv, env, "OTEL_TRACES_SAMPLER_ARG=1")
	o.BackendEnv = append(o.BackendEnv, env)
	return ownStack(t, o), spans
}

// tree waits until the spans of a trace are there, by their paths, and checks that
// they are one tree below the client's.
func (c *spanCollector) tree(t *testing.T, trace string, want ...string) map[string]*recorded {
	t.Helper()
	var all []*recorded
	byPath := map[string]*recorded{}
	eventually(t, fmt.Sprintf("spans %q", want), func() bool { // those inside a span come before it or with it
		all = c.trace(trace)
		clear(byPath)
		for _, s := range all {
			byPath[s.path(all)] = s
		}
		for _, path := range want {
			if byPath[path] == nil {
				return false
			}
		}
		return true
	})
	for path, s := range byPath {
		if first := path == want[0] || strings.HasSuffix(path, " > gateway:attempt > "+s.service+":"+s.GetName()); first != s.is(otlp.Span_SPAN_KIND_SERVER) {
			t.Errorf("%s is of kind %v", path, s.GetKind())
		}
		if !strings.HasPrefix(path, want[0]) {
			t.Errorf("%s stands outside %s", path, want[0])
		}
	}
	return byPath
}

// TestTraces: a request is one tree of spans through both processes, under the
// trace that their logs name.
func TestTraces(t *testing.T) {
	t.Parallel()
	s, spans := tracedStack(t, stack.Options{
		Backends: 2,
		// One that is gone is found by requests, and not before.
		GatewayEnv: []string{"BACKEND_HEALTH_INTERVAL=1m"},
		Limits:     limitsFile(nil, map[string]map[string]string{"standard": {"export": "1/1h,1"}}),
	})
	c := newClient(t, s, 0)
	username, tokens := c.newUser()
	var contact struct {
		ID string `json:"id"`
	}

	type step struct {
		method, path, bearer string
		body                 any
		status               int
		want                 []string // paths of spans: first the gateway's, and at least the backend's if it was asked
	}
	// do sends a request with a traceparent of its own, which is to be one tree.
	do := func(st step) (answer, map[string]*recorded) {
		t.Helper()
		id, parent := newTrace()
		a := c.do(st.method, st.path, st.bearer, st.body, "Traceparent", parent, "User-Agent", "marker-agent").want(st.status)
		tree := spans.tree(t, id, st.want...)
		root := tree[st.want[0]]
		if got := hex.EncodeToString(root.GetParentSpanId()); got != strings.Split(parent, "-")[2] {
			t.Errorf("%s stands in %s, want the client's %s", st.want[0], got, parent)
		}
		if got := root.number("http.response.status_code"); got != int64(st.status) {
			t.Errorf("%s: status %d, want %d", st.want[0], got, st.status)
		}
		gateways, backends := processes(s)
		requestID := a.Header.Get("X-Request-Id")
		eventually(t, "the lines of "+requestID, func() bool {
			lines := accessLines(t, append(gateways, backends...), requestID)
			for _, line := range lines {
				if line["trace_id"] != id {
					t.Fatalf("the logs have trace_id %v, want %s", line["trace_id"], id)
				}
			}
			return len(lines) == len(servers(tree))
		})
		for path, one := range servers(tree) {
			if got := one.text("gatehouse.request_id"); got != requestID {
				t.Errorf("%s: request %q, want %q", path, got, requestID)
			}
		}
		return a, tree
	}
	const login, loginBack = "gateway:POST /api/v1/auth/login", " > gateway:attempt > backend:POST /api/v1/auth/login > backend:handler"
	_, tree := do(step{"POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": username, "password": password, "tenant_id": stack.DemoTenant}, 200,
		[]string{login, login + " > gateway:receive body", login + loginBack + " > backend:password hash"}})
	if one := tree[login+" > gateway:attempt"]; !one.is(otlp.Span_SPAN_KIND_CLIENT) || one.text("server.address") == "" || one.number("server.port") == 0 {
		t.Errorf("the attempt is %v", one)
	}

	const book = "gateway:POST /api/v1/address-book"
	a, _ := do(step{"POST", "/api/v1/address-book", tokens.Access, contactBody(), 201,
		[]string{book, book + " > gateway:verify token", book + " > gateway:charge limits",
			book + " > gateway:attempt > backend:POST /api/v1/address-book > backend:handler"}})
	a.into(&contact)

	const read, readBack = "gateway:GET /api/v1/address-book/{id}", " > gateway:attempt > backend:GET /api/v1/address-book/{id} > backend:handler > backend:"
	get := step{"GET", "/api/v1/address-book/" + contact.ID, tokens.Access, nil, 200, []string{read, read + readBack + "cache get", read + readBack + "cache set"}}
	_, tree = do(get)
	if tree[read+readBack+"cache get"].flag("gatehouse.cache.hit") || len(queries(tree)) == 0 {
		t.Error("the first read is from the cache")
	}
	get.want = get.want[:2]
	_, tree = do(get)
	if one := tree[read+readBack+"cache get"]; !one.flag("gatehouse.cache.hit") || one.text("db.system.name") != "redis" {
		t.Errorf("the second read is not from the cache: %v", one)
	}
	if tree[read+" > gateway:verify token"] != nil {
		t.Error("a token that was seen before is verified again")
	}

	const export = "gateway:GET /api/v1/address-book/export"
	do(step{"GET", "/api/v1/address-book/export?format=csv", tokens.Access, nil, 200,
		[]string{export, export + " > gateway:attempt > backend:GET /api/v1/address-book/export"}})
	_, tree = do(step{"GET", "/api/v1/address-book/export?format=marker-query", tokens.Access, nil, 429, []string{export}})
	if one := tree[export]; one.text("gatehouse.limit") != "export" || one.text("gatehouse.problem") != "rate_limited" || one.failed() || len(servers(tree)) != 1 {
		t.Errorf("a refusal is %v", tree)
	}
	_, tree = do(step{"GET", "/api/v1/address-book/marker-path", "marker-token", nil, 401, []string{read, read + " > gateway:verify token"}})
	if one := tree[read+" > gateway:verify token"]; !one.failed() || one.text("error.type") == "" {
		t.Errorf("a token that is none is %v", one)
	}

	// One of the backends is gone: until the gateway leaves it out, the other one
	// gets a second attempt.
	if err := s.Backends[1].Kill(); err != nil {
		t.Fatal(err)
	}
	var traces []string
	for range 40 {
		id, parent := newTrace()
		c.do("GET", "/api/v1/address-book/"+contact.ID, tokens.Access, nil, "Traceparent", parent).want(200)
		traces = append(traces, id)
	}
	eventually(t, "a second attempt", func() bool {
		return slices.ContainsFunc(traces, func(id string) bool { return spans.secondAttempt(id) })
	})

	all := spans.text()
	for _, secret := range []string{
		username, password, tokens.Access, tokens.Refresh, stack.DemoTenant, contact.ID, "example.com", "Ana Souza", "insert into", "select ",
		"marker-", s.Secrets.JWT, "127.0.0.1:" + strings.TrimPrefix(c.base, "https://127.0.0.1:"),
	} {
		if strings.Contains(strings.ToLower(all), strings.ToLower(secret)) {
			t.Errorf("the spans hold %q", secret)
		}
	}
}

// secondAttempt reports whether a trace has an attempt that failed and one at
// another backend that was answered.
func (c *spanCollector) secondAttempt(id string) bool {
	var failed, answered *recorded
	for _, one := range c.trace(id) {
		switch {
		case one.GetName() != "attempt":
		case one.failed():
			failed = one
		case one.number("http.response.status_code") == 200:
			answered = one
		}
	}
	return failed != nil && answered != nil && failed.text("error.type") != "" &&
		answered.number("http.request.resend_count") == 1 && failed.number("server.port") != answered.number("server.port")
}

// servers are the spans of whole requests.
func servers(tree map[string]*recorded) map[string]*recorded {
	list := map[string]*recorded{}
	for path, s := range tree {
		if s.is(otlp.Span_SPAN_KIND_SERVER) {
			list[path] = s
		}
	}
	return list
}

func queries(tree map[string]*recorded) (list []*recorded) {
	for _, s := range tree {
		if s.text("db.system.name") == "postgresql" {
			list = append(list, s)
		}
	}
	return list
}

// TestCollectorFails: requests go on without the collector, and beside one that
// hangs, and so does the end of the processes.
func TestCollectorFails(t *testing.T) {
	t.Parallel()
	s, spans := tracedStack(t, stack.Options{})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	spans.held.Store(&held)
	eventually(t, "both are held", func() bool {
		c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)
		return spans.holding.Load() >= 2
	})
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)
	spans.CloseClientConnections()
	for _, ops := range []string{s.Gateways[0].Ops, s.Backends[0].Ops} {
		eventually(t, "spans are counted as dropped", func() bool {
			c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)
			return !strings.Contains(get(t, ops+"/metrics"), "trace_spans_dropped_total{reason=\"export\"} 0\n")
		})
	}
	// What is left goes to one that does not answer.
	for _, p := range []*stack.Process{s.Gateways[0].Process, s.Backends[0].Process} {
		if err := p.Restart(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.Contains(p.Output(), "the collector takes no spans") {
			t.Errorf("%s does not say that its spans are lost", p.Name())
		}
	}
}
