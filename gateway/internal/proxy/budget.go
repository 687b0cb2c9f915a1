package proxy

import (
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

var retriesDenied = metrics.NewCounter(`gateway_proxy_retries_denied_total`)

// budget bounds how many requests a gateway sends a second time, so that
// backends in trouble do not get twice the load on top: at most a fifth of the
// requests of the last ten seconds or so, and three a second besides, which lets
// a gateway with little to do retry at all. The zero value is ready.
type budget struct {
	// In thousandths, so that a tenth of a few can be forgotten.
	requests, retries atomic.Int64
}

const (
	one         = 1000
	retryShare  = 5            // one retry for so many requests
	freeRetries = 3 * 10 * one // in ten seconds
)

// earn counts a request.
func (b *budget) earn() { b.requests.Add(one) }

// spend reports whether one more request may be sent a second time, and counts
// it.
func (b *budget) spend() bool {
	for {
		spent := b.retries.Load()
		if spent+one > b.requests.Load()/retryShare+freeRetries {
			retriesDenied.Inc()
			return false
		}
		if b.retries.CompareAndSwap(spent, spent+one) {
			return true
		}
	}
}

// forget is to be called every second: what is ten seconds old counts for about
// a third, and for nothing half a minute later.
func (b *budget) forget() {
	for _, n := range []*atomic.Int64{&b.requests, &b.retries} {
		n.Add(-n.Load() / 10)
	}
}
