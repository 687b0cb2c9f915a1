// Package proxy passes requests on to the backends and answers back.
//
// Every request to a backend is written anew from what the edge knows, header
// by header, and every answer likewise: nothing crosses because it was not
// taken out. head.go and answer.go say what crosses.
//
// The package speaks HTTP/1.1 over connections of its own (conn.go) instead of
// fasthttp's client: it must know whether a dial failed, whether a byte came
// back, and whether anything lay unread on a connection before it is used
// again, because a stray answer would go to the next client.
package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/problem"
)

// Proxy passes requests on.
type Proxy struct {
	balance
}

var retries = metrics.NewCounter(`gateway_proxy_retries_total`)

// New returns a proxy. Close ends its housekeeping and closes its connections.
func New(o Options) *Proxy {
	p := &Proxy{}
	p.open(o)
	return p
}

// Close closes the connections that no request is using.
func (p *Proxy) Close() { p.close() }

// Handle is the last handler of the pipeline.
//
// Another backend is tried when connecting failed, since then nothing was sent.
// A request that does no harm when it is done twice is also sent a second time
// when the connection ended before a single byte came back. Nothing else is: a
// backend may have done the work and failed to say so. Nor is a request whose
// body was not held in memory.
func (p *Proxy) Handle(ex *edge.Exchange) {
	if reason := upgradeFault(ex); reason != nil {
		ex.Ctx.Response.Header.Set(fasthttp.HeaderUpgrade, "websocket")
		ex.Refuse(reason)
		return
	}
	body, whole := ex.Body.Whole()
	start := time.Now()
	q := call{ex: ex, body: body, whole: whole, now: start, deadline: start.Add(ex.Route.Timeout)}
	ex.Asked = true
	defer func() { ex.Upstream = q.now.Sub(start) }()

	p.budget.earn()
	var tried tried
	again := whole && repeatable(ex)
	for {
		b := p.pick(&tried)
		if b == nil {
			ex.Refuse(problem.Wrap(problem.Unavailable, errors.New("no backend takes connections")))
			return
		}
		q.cause = nil
		outcome := b.exchange(&q)
		switch outcome {
		case answered, unsent:
			return
		case notSent, busy:
			tried.add(b)
			if outcome == busy && p.pick(&tried) == nil {
				refuse(ex, problem.Overloaded, b, outcome, q.cause)
				return
			}
		case noAnswer:
			if !again || !p.budget.spend() {
				refuse(ex, problem.BadGateway, b, outcome, q.cause)
				return
			}
			again = false
			retries.Inc()
			others := tried
			if others.add(b); p.pick(&others) != nil {
				tried = others
			}
		case timedOut:
			refuse(ex, problem.Timeout, b, outcome, q.cause)
			return
		default:
			refuse(ex, problem.BadGateway, b, outcome, q.cause)
			return
		}
		if !q.now.Before(q.deadline) {
			refuse(ex, problem.Timeout, b, outcome, q.cause)
			return
		}
	}
}

// exchange makes one attempt.
func (b *backend) exchange(q *call) (o outcome) {
	b.begin()
	start := q.now
	span := q.attempt(b)
	defer func() {
		b.end(o, q.now.Sub(start))
		q.attempted(span, o)
	}()
	for {
		c, err := b.get(q)
		switch {
		case err == nil:
		case errors.Is(err, errBusy):
			return busy
		case !q.now.Before(q.deadline):
			return timedOut
		default:
			return notSent
		}
		o, f := b.over(c, q)
		if f != stale {
			return o
		}
	}
}

// over makes the attempt over a connection, and takes that back unless the answer
// holds it; after a panic, too.
func (b *backend) over(c *conn, q *call) (o outcome, f fate) {
	defer func() {
		q.now = time.Now()
		if f != held {
			b.put(c, f == reused, q.now)
		}
	}()
	return c.roundTrip(q, b)
}

// refuse answers for a backend that did not; the log says which and how.
func refuse(ex *edge.Exchange, code problem.Code, b *backend, o outcome, cause error) {
	why := fmt.Errorf("backend %s: %v", b.addr, o)
	if cause != nil && o != timedOut { // which says it all
		why = fmt.Errorf("%w: %w", why, cause)
	}
	ex.Refuse(problem.Wrap(code, why))
}

// repeatable reports whether sending the request twice does no harm: the method
// says so (RFC 9110 section 9.2.1), or the operation promises to do once what
// comes twice with one key.
func repeatable(ex *edge.Exchange) bool {
	switch ex.Route.Method {
	case "GET", "HEAD":
		return !ex.Route.WebSocket
	}
	return ex.Route.Idempotent && len(ex.Fields.IdempotencyKey) > 0
}
