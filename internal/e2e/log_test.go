package e2e

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/stack"
)

// accessLines returns the access lines of a request among those of some
// processes.
func accessLines(t *testing.T, processes []*stack.Process, requestID string) (lines []map[string]any) {
	t.Helper()
	for _, p := range processes {
		for line := range strings.Lines(p.Output()) {
			if !strings.Contains(line, requestID) {
				continue
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatalf("%s writes %q: %v", p.Name(), line, err)
			}
			if fields["msg"] == "request" && fields["request_id"] == requestID {
				lines = append(lines, fields)
			}
		}
	}
	return lines
}

func processes(s *stack.Stack) (gateways, backends []*stack.Process) {
	for _, g := range s.Gateways {
		gateways = append(gateways, g.Process)
	}
	for _, b := range s.Backends {
		backends = append(backends, b.Process)
	}
	return gateways, backends
}

// Each request has one line in each process that it comes by, under one
// identifier, with the fields that docs/logs.md lists.
func TestAccessLines(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 1)
	id, _, tokens := c.newTenant(c.operator(), "")
	hash, code := program(t, shared.Backends[0].Path(), []string{"LOG_HASH_KEY=" + shared.Secrets.LogHash}, "tenant", "hash", id)
	if hash = strings.TrimSpace(hash); code != 0 || len(hash) != 16 {
		t.Fatalf("tenant hash: got exit code %d: %s", code, hash)
	}
	const (
		trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
		parent = "00-" + trace + "-00f067aa0ba902b7-01"
	)
	contact, err := json.Marshal(contactBody())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		answer  answer
		gateway map[string]any
		backend map[string]any
		in      int
		more    string // a field of the gateway's line whose value nobody knows
	}{
		"created": {
			c.do("POST", "/api/v1/address-book", tokens.Access, string(contact), "Traceparent", parent),
			map[string]any{"method": "POST", "route": "/api/v1/address-book", "status": 201.0, "tenant": hash, "trace_id": trace},
			map[string]any{"method": "POST", "route": "/api/v1/address-book", "status": 201.0, "tenant": hash, "trace_id": trace},
			len(contact), "upstream_ms",
		},
		"not found": {
			c.do("GET", "/api/v1/address-book/7", tokens.Access, nil, "Traceparent", parent+"-no"),
			map[string]any{"method": "GET", "route": "/api/v1/address-book/{id}", "status": 404.0, "tenant": hash},
			map[string]any{"method": "GET", "route": "/api/v1/address-book/{id}", "status": 404.0, "tenant": hash, "code": "not_found"},
			0, "upstream_ms",
		},
		"public": {
			c.do("GET", "/api/ping", "", nil),
			map[string]any{"method": "GET", "route": "/api/v1/ping", "status": 200.0, "alias": true},
			map[string]any{"method": "GET", "route": "/api/v1/ping", "status": 200.0},
			0, "upstream_ms",
		},
		"refused by the gateway": {
			c.do("GET", "/api/v1/address-book", "", nil, "Traceparent", parent),
			map[string]any{"method": "GET", "route": "/api/v1/address-book", "status": 401.0, "code": "unauthenticated", "trace_id": trace},
			nil, 0, "cause",
		},
		"no route": {
			c.do("GET", "/api/v1/nope", tokens.Access, nil),
			map[string]any{"method": "GET", "route": "unmatched", "status": 404.0, "code": "not_found"},
			nil, 0, "",
		},
	} {
		requestID := tc.answer.Header.Get("X-Request-Id")
		gateways, backends := processes(shared)
		var near, far []map[string]any
		eventually(t, name+": the lines are there", func() bool {
			near, far = accessLines(t, gateways, requestID), accessLines(t, backends, requestID)
			return len(near) > 0 && (len(far) > 0 || tc.backend == nil)
		})
		if len(near) != 1 || len(far) > 1 || len(far) == 1 && tc.backend == nil {
			t.Fatalf("%s: got %v and %v", name, near, far)
		}
		for service, side := range map[string]struct {
			lines []map[string]any
			want  map[string]any
			some  string
		}{"gateway": {near, tc.gateway, tc.more}, "backend": {far, tc.backend, ""}} {
			if side.want == nil {
				continue
			}
			line, want := side.lines[0], maps.Clone(side.want)
			maps.Copy(want, map[string]any{
				"level": "INFO", "msg": "request", "service": service, "request_id": requestID, "client": "127.0.0.1",
				"bytes_in": float64(tc.in), "bytes_out": float64(len(tc.answer.body)),
			})
			for _, field := range append(strings.Fields(side.some), "time", "duration_ms") {
				if line[field] == nil {
					t.Errorf("%s: the %s's line has no %s: %v", name, service, field, line)
				}
				delete(line, field)
			}
			if diff := cmp.Diff(want, line); diff != "" {
				t.Errorf("%s: the %s's line (-want +got):\n%s", name, service, diff)
			}
		}
	}
	if strings.Contains(shared.Gateways[1].Output(), id) {
		t.Error("the tenant's own name is in a line")
	}
}
