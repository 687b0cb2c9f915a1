package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/api"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/internal/config"
)

func TestRateLimits(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, a answer, policy string) {
		t.Helper()
		p := a.problem(t, 429, "rate_limited")
		if !strings.Contains(fmt.Sprint(p["detail"]), `"`+policy+`"`) {
			t.Errorf("detail = %v, want the policy %s named", p["detail"], policy)
		}
		if got := a.header.Get("Retry-After"); got != "3600" && got != "3599" {
			t.Errorf("Retry-After = %q, want an hour", got)
		}
		if !strings.Contains(a.header.Get("Ratelimit"), `"`+policy+`";r=0;t=`) {
			t.Errorf("RateLimit = %q", a.header.Get("Ratelimit"))
		}
	}
	login := func(r *rig) answer {
		return r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}")
	}

	t.Run("public operations by address", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits(t, "auth=1/1h,2", "public=1/1h,1"))
		for i := range 2 {
			a := login(r)
			if want := fmt.Sprintf(`"auth";r=%d;t=3600`, 1-i); a.status != 200 || a.header.Get("Ratelimit") != want {
				t.Errorf("login %d = %d, RateLimit %q, want %q", i+1, a.status, a.header.Get("Ratelimit"), want)
			}
			if got := a.header.Get("Ratelimit-Policy"); got != `"auth";q=1;w=3600` {
				t.Errorf("RateLimit-Policy = %q", got)
			}
		}
		refused(t, login(r), "auth")
		// The document's examples are what is sent.
		detail := fmt.Sprint(login(r).problem(t, 429, "rate_limited")["detail"])
		if !strings.Contains(string(api.Document), "detail: "+detail+"\n") {
			t.Errorf("the document has no example %q", detail)
		}
		if a := r.do(t, "GET", "/probe", nil, ""); a.status != 200 {
			t.Errorf("a probe = %d, want only the flood guard to apply", a.status)
		}
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
			t.Errorf("a signed-in request = %d, want only the flood guard to apply", a.status)
		}
		// What would be a 401 has a bucket of its own: tokens that have expired keep
		// nobody from signing in.
		r.do(t, "GET", "/things/7", nil, "").problem(t, 401, "unauthenticated")
		refused(t, r.do(t, "GET", "/things/7", nil, ""), "public")
	})
	t.Run("a 401 is charged to the public limit", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits(t, "public=1/1h,2"))
		r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer x"}, "").problem(t, 401, "unauthenticated")
		// The backend's own, for a session that has ended.
		r.backend.answerWith(func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(401) })
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 401 {
			t.Errorf("status = %d, want the backend's 401", a.status)
		}
		refused(t, r.do(t, "GET", "/things/7", nil, ""), "public")
		if a := login(r); a.status != 401 {
			t.Errorf("login = %d, want the backend's answer: it has a bucket of its own", a.status)
		}
	})
	t.Run("flood guard by address", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits(t, "address=1/1h,2"))
		for range 2 {
			r.do(t, "GET", "/probe", nil, "")
		}
		refused(t, r.do(t, "GET", "/probe", nil, ""), "address")
		refused(t, r.do(t, "GET", "/things/7", r.bearer(t), ""), "address")
	})
	t.Run("flood guard for what is refused before it", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			request string
			status  int
			code    string
		}{
			"an unknown path":        {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"},
			"another method":         {"DELETE /things HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"},
			"a body of another type": {"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, "unsupported_media_type"},
			"a body that is large":   {"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat(" ", 1001), 413, "body_too_large"},
			"an ambiguous target":    {"GET /things//7 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_framing"},
			"a broken header":        {"GET /things HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n", 400, "bad_framing"},
			"no HTTP":                {"hello\r\n\r\n", 400, "bad_framing"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, limits(t, "address=1/1h,2"))
				for i := range 2 {
					a := r.raw(t, c.request, "POST")
					a.problem(t, c.status, c.code)
					if got, want := a.header.Get("Ratelimit"), fmt.Sprintf(`"address";r=%d;`, 1-i); !strings.HasPrefix(got, want) {
						t.Errorf("RateLimit = %q, want %s", got, want)
					}
				}
				refused(t, r.raw(t, c.request, "POST"), "address")
				// It is the bucket of all the others.
				refused(t, r.do(t, "GET", "/things/7", r.bearer(t), ""), "address")
				if got := r.logs.lines(t, "request"); len(got) != 4 || got[1]["code"] != c.code || got[2]["code"] != "rate_limited" {
					t.Errorf("log = %v", got)
				}
			})
		}
	})
	t.Run("a request is charged once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits(t, "address=1/1h,3"))
		for i, target := range []string{"/things/7", "/nowhere", "/things/7"} {
			a := r.do(t, "GET", target, r.bearer(t), "")
			if got, want := a.header.Get("Ratelimit"), fmt.Sprintf(`"address";r=%d;`, 2-i); !strings.HasPrefix(got, want) {
				t.Errorf("GET %s: RateLimit = %q, want %s", target, got, want)
			}
		}
		refused(t, r.do(t, "GET", "/nowhere", nil, ""), "address")
	})
	t.Run("by user, and a refusal costs the tenant nothing", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, limits(t, "standard.user=1/1h,1", "standard.tenant=1/1h,3"))
		one := map[string]string{"Authorization": "Bearer " + r.token(t, "tenant1")}
		if a := r.do(t, "GET", "/things/7", one, ""); a.status != 200 {
			t.Fatalf("first request = %d", a.status)
		}
		for range 5 {
			refused(t, r.do(t, "GET", "/things/7", one, ""), "user")
		}
		for i := range 2 { // two more users: the tenant had 3
			if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
				t.Errorf("user %d = %d %s", i+2, a.status, a.body)
			}
		}
		refused(t, r.do(t, "GET", "/things/7", r.bearer(t), ""), "tenant")
		other := map[string]string{"Authorization": "Bearer " + r.token(t, "tenant2")}
		if a := r.do(t, "GET", "/things/7", other, ""); a.status != 200 {
			t.Errorf("another tenant = %d", a.status)
		}
	})
}

// meager is a store that leases nothing, and counts what it is asked.
type meager struct{ asked int }

func (s *meager) Take(_ context.Context, _ []byte, asks []ratelimit.Ask) error {
	s.asked++
	for i := range asks {
		asks[i].Granted, asks[i].Fill = asks[i].Need, 0
	}
	return nil
}

func TestOneCommandForEachLayer(t *testing.T) {
	t.Parallel()
	store := &meager{}
	b := newBench(t, store)
	for i := range 5 {
		if b.request(); store.asked != 2*(i+1) {
			t.Fatalf("%d commands after %d requests, want one for the address and one for tenant, user and class", store.asked, i+1)
		}
	}
}

func TestRedisGone(t *testing.T) {
	t.Parallel()
	tight := limits(t, "auth=1/1h,2")
	r := newRig(t, func(c *Config) {
		c.Redis.Timeout = 10 * time.Millisecond
		tight(c)
	})
	r.redis.Close()
	start := time.Now()
	for range 20 {
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
			t.Fatalf("status = %d %s", a.status, a.body)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("20 requests took %v without Redis", took)
	}
	for range 2 {
		r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}")
	}
	r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}").problem(t, 429, "rate_limited")
	if got := r.logs.lines(t, "the shared rate limits do not answer"); len(got) != 1 {
		t.Errorf("%d lines about the fallback, want one", len(got))
	}
	if code, body := r.ops(t, "/health/ready"); code != 200 || !strings.Contains(body, `"status":"degraded"`) {
		t.Errorf("/health/ready = %d %s, want degraded and ready", code, body)
	}
}

// TestRedisHangs stops a Redis that keeps its connections open: each command
// costs its whole time limit until the breaker opens, and none after that.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	r := newRig(t, func(c *Config) {
		c.Redis.URL = config.Secret(server.URL())
		c.Redis.Timeout = 10 * time.Millisecond
	})
	header := r.bearer(t)
	r.do(t, "GET", "/things/7", header, "")
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	var slow int
	for range 50 {
		start := time.Now()
		if a := r.do(t, "GET", "/things/7", header, ""); a.status != 200 {
			t.Fatalf("status = %d %s", a.status, a.body)
		}
		if time.Since(start) > 9*time.Millisecond {
			slow++
		}
	}
	if slow > 15 {
		t.Errorf("%d of 50 requests waited for a hung Redis", slow)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis answers again", func() bool { return r.Gateway.redis.Check(t.Context()) == nil })
	eventually(t, "the end of the outage in the log", func() bool {
		r.do(t, "GET", "/things/7", header, "")
		return len(r.logs.lines(t, "rate limits are counted by all gateways together again")) > 0
	})
}

func TestFallbackClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Limits.Fallback = ratelimit.FallbackClosed })
	r.redis.Close()
	for target, header := range map[string]map[string]string{"/things/7": r.bearer(t), "/nowhere": nil} {
		if a := r.do(t, "GET", target, header, ""); a.status != 503 || a.header.Get("Retry-After") != "1" {
			t.Errorf("GET %s = %d, Retry-After %q; want 503", target, a.status, a.header.Get("Retry-After"))
		}
	}
	// A load balancer that heard 503 here would give up every gateway.
	if a := r.do(t, "GET", "/probe", nil, ""); a.status != 200 {
		t.Errorf("GET /probe = %d", a.status)
	}
}
