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

// Handle is the last handler of the pipeline. The operation's time-out bounds
// all of it.
//
// Another backend is tried when connecting failed, since then nothing was sent.
// A GET or HEAD is also tried a second time when the connection ended before a
// single byte came back. Nothing else is ever sent twice: a backend may have
// done the work and failed to say so.
func (p *Proxy) Handle(ex *edge.Exchange) {
	start := time.Now()
	deadline := start.Add(ex.Route.Timeout)
	ex.Asked = true
	defer func() { ex.Upstream = time.Since(start) }()

	p.budget.earn()
	var tried tried
	again := repeatable(ex)
	for {
		b := p.pick(&tried)
		if b == nil {
			ex.Refuse(problem.Wrap(problem.Unavailable, errors.New("no backend takes connections")))
			return
		}
		outcome := b.exchange(ex, deadline)
		switch outcome {
		case answered:
			return
		case notSent, busy:
			tried.add(b)
			if outcome == busy && p.pick(&tried) == nil {
				refuse(ex, problem.Overloaded, b, outcome)
				return
			}
		case noAnswer:
			if !again || !p.budget.spend() {
				refuse(ex, problem.BadGateway, b, outcome)
				return
			}
			again = false
			retries.Inc()
			others := tried
			if others.add(b); p.pick(&others) != nil {
				tried = others
			}
		case timedOut:
			refuse(ex, problem.Timeout, b, outcome)
			return
		default:
			refuse(ex, problem.BadGateway, b, outcome)
			return
		}
		if !time.Now().Before(deadline) {
			refuse(ex, problem.Timeout, b, outcome)
			return
		}
	}
}

// exchange makes one attempt.
func (b *backend) exchange(ex *edge.Exchange, deadline time.Time) (o outcome) {
	b.begin()
	start := time.Now()
	defer func() { b.end(o, time.Since(start)) }()
	c, err := b.get(deadline)
	switch {
	case errors.Is(err, errBusy):
		return busy
	case err != nil && !time.Now().Before(deadline):
		return timedOut
	case err != nil:
		return notSent
	}
	o, reusable := c.roundTrip(ex, b.host, deadline)
	b.put(c, reusable)
	return o
}

// refuse answers for a backend that did not; the log says which and how.
func refuse(ex *edge.Exchange, code problem.Code, b *backend, o outcome) {
	ex.Refuse(problem.Wrap(code, fmt.Errorf("backend %s: %v", b.addr, o)))
}

// repeatable reports whether sending the request twice does no harm and needs
// nobody's promise (RFC 9110 section 9.2.1).
func repeatable(ex *edge.Exchange) bool {
	return ex.Route.Method == "GET" || ex.Route.Method == "HEAD"
}
