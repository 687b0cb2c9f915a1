package gateway

import (
	"bufio"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/token"
)

// held keeps a rig's backend from answering reads until release is called.
func held(t *testing.T, r *rig) (release func()) {
	t.Helper()
	open := make(chan struct{})
	release = sync.OnceFunc(func() { close(open) })
	t.Cleanup(release)
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		if strings.Contains(string(ctx.Path()), "things") {
			<-open
		}
	})
	return release
}

// narrow is a gateway that lets so many requests to its backend at once.
func narrow(n int) func(*Config) {
	return func(c *Config) { c.Admission.Min, c.Admission.Max = n, n }
}

func (r *rig) asked() int {
	_, n := r.backend.last()
	return n
}

func TestOverloadIsRefusedAtOnceAndSignInsAreNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, narrow(4))
	release := held(t, r)
	header := r.bearer(t)
	var reads sync.WaitGroup
	for range 4 {
		reads.Go(func() {
			if got := r.do(t, "GET", "/things", header, ""); got.status != 200 {
				t.Errorf("an admitted read = %d %s", got.status, got.body)
			}
		})
	}
	eventually(t, "four reads at the backend", func() bool { return r.asked() == 4 })

	// Whether it waits shows in that the backend answers nothing meanwhile.
	refused := r.do(t, "GET", "/things", header, "")
	refused.problem(t, 503, "overloaded")
	if after := refused.header.Get("Retry-After"); after < "1" || after > "3" {
		t.Errorf("Retry-After = %q, want 1 to 3", after)
	}
	if n := r.asked(); n != 4 {
		t.Errorf("the backend was asked %d times", n)
	}
	login := r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}")
	if login.status != 200 {
		t.Errorf("signing in = %d %s", login.status, login.body)
	}
	if probe := r.do(t, "GET", "/probe", nil, ""); probe.status != 200 {
		t.Errorf("a probe = %d", probe.status)
	}
	other := r.do(t, "GET", "/api/v1/notes", map[string]string{"Authorization": "Bearer " + r.token(t, "tenant2")}, "")
	if other.status != 200 {
		t.Errorf("a tenant that has nothing in flight = %d %s", other.status, other.body)
	}
	release()
	reads.Wait()
	if got := r.do(t, "GET", "/things", header, ""); got.status != 200 {
		t.Errorf("afterwards = %d: slots were lost", got.status)
	}
}

// What the backends have no room for has used up a token: admission comes last,
// and tokens are not handed back.
func TestOverloadCostsARate(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { narrow(1)(c); limits(t, "standard.user=3/1h,3")(c) })
	release := held(t, r)
	header := r.bearer(t)
	var reads sync.WaitGroup
	reads.Go(func() { r.do(t, "GET", "/things", header, "") })
	eventually(t, "a read at the backend", func() bool { return r.asked() == 1 })
	r.do(t, "GET", "/things", header, "").problem(t, 503, "overloaded")
	release()
	reads.Wait()
	if got := r.do(t, "GET", "/things", header, ""); got.status != 200 {
		t.Errorf("the third of three = %d %s", got.status, got.body)
	}
	r.do(t, "GET", "/things", header, "").problem(t, 429, "rate_limited")
}

func TestAdmissionCanBeOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { narrow(1)(c); c.Admission.Switch = "off" })
	release := held(t, r)
	header := r.bearer(t)
	var reads sync.WaitGroup
	for range 8 {
		reads.Go(func() { r.do(t, "GET", "/things", header, "") })
	}
	eventually(t, "eight reads at the backend", func() bool { return r.asked() == 8 })
	release()
	reads.Wait()
}

func TestTenantsRequestsInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.in_flight=2"))
	release := held(t, r)
	header := r.bearer(t)
	var reads sync.WaitGroup
	for range 2 {
		reads.Go(func() { r.do(t, "GET", "/things", header, "") })
	}
	eventually(t, "two reads at the backend", func() bool { return r.asked() == 2 })

	refused := r.do(t, "GET", "/things", header, "")
	p := refused.problem(t, 429, "rate_limited")
	if detail, _ := p["detail"].(string); !strings.Contains(detail, `"in_flight"`) || refused.header.Get("Retry-After") != "1" {
		t.Errorf("detail %v, Retry-After %q", p["detail"], refused.header.Get("Retry-After"))
	}
	if strings.Contains(refused.header.Get("RateLimit-Policy"), "in_flight") {
		t.Errorf("RateLimit-Policy = %q; it tells rates", refused.header.Get("RateLimit-Policy"))
	}
	other := r.do(t, "GET", "/api/v1/notes", r.as(t, token.Operator), "")
	if other.status != 200 {
		t.Errorf("another tenant = %d", other.status)
	}
	release()
	reads.Wait()
	for range 5 {
		if got := r.do(t, "GET", "/things", header, ""); got.status != 200 {
			t.Fatalf("afterwards = %d: slots were lost", got.status)
		}
	}
}

// A request that the tenant's own number refuses takes nothing of its rates.
func TestRefusedByRequestsInFlightCostsNoRate(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.in_flight=1", "standard.tenant=3/1h,3", "standard.user=3/1h,3"))
	release := held(t, r)
	header := r.bearer(t)
	var reads sync.WaitGroup
	reads.Go(func() { r.do(t, "GET", "/things", header, "") })
	eventually(t, "a read at the backend", func() bool { return r.asked() == 1 })
	for range 5 {
		p := r.do(t, "GET", "/things", header, "").problem(t, 429, "rate_limited")
		if detail, _ := p["detail"].(string); !strings.Contains(detail, `"in_flight"`) {
			t.Fatalf("detail %v", detail)
		}
	}
	release()
	reads.Wait()
	for i := range 2 {
		if got := r.do(t, "GET", "/things", header, ""); got.status != 200 {
			t.Errorf("read %d of three that are allowed = %d %s", i+2, got.status, got.body)
		}
	}
}

func TestPanicGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { limits(t, "standard.in_flight=1")(c); narrow(1)(c) })
	server := edge.NewServer(r.config.Edge, r.table, r.pipeline(func(*edge.Exchange) { panic("boom") }), r.log)
	request := "GET /things HTTP/1.1\r\nHost: x\r\nAuthorization: " + r.bearer(t)["Authorization"] + "\r\n\r\n"
	for i := range 3 {
		var ctx fasthttp.RequestCtx
		ctx.Init2(&benchConn{}, nil, false)
		if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(request))); err != nil {
			t.Fatal(err)
		}
		server.Pass(&ctx)
		if got := ctx.Response.StatusCode(); got != 500 {
			t.Errorf("request %d = %d %s, want 500", i+1, got, ctx.Response.Body())
		}
	}
}

// Slots come back from clients that left and from answers that never came.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.in_flight=1"))
	header := r.bearer(t)
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) { _ = ctx.Conn().Close() })
	for range 3 {
		if got := r.do(t, "POST", "/things", map[string]string{
			"Authorization": header["Authorization"], "Content-Type": "application/json",
		}, "{}"); got.status != 502 {
			t.Fatalf("a backend that hangs up = %d %s", got.status, got.body)
		}
	}
	release := held(t, r)
	left, err := fasthttp.DialTimeout(r.Addr("http"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	before := r.asked()
	if _, err := left.Write([]byte("GET /things HTTP/1.1\r\nHost: a\r\nAuthorization: " + header["Authorization"] + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the read at the backend", func() bool { return r.asked() == before+1 })
	_ = left.Close()
	release()
	eventually(t, "the slot is free", func() bool { return r.do(t, "GET", "/things", header, "").status == 200 })
}
