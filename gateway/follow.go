package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/keys"
	"gatehouse/gateway/internal/proxy"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
	"gatehouse/internal/logging"
	"gatehouse/internal/logtail"
	"gatehouse/internal/revocation"
	"gatehouse/internal/token"
	"gatehouse/internal/watch"
)

const (
	// limitsPoll is how often the file of limits is looked at.
	limitsPoll = 10 * time.Second
	// freshEnough is how old the feed may be for operations that the edge answers by
	// itself.
	freshEnough = 5 * time.Second
)

// follows is what a gateway is told while it runs, besides requests.
type follows struct {
	issuers  *proxy.Proxy // of the keys; the gateway's own unless they are elsewhere
	keys     *keys.Source
	policies *watch.File // nil for the built-in ones
	feed     *feed.Follower
	tenants  *limit.Book
	revoked  *revocation.Set
	fleet    *ratelimit.Fleet
	shadow   *ratelimit.Shadow
	tail     *logtail.Publisher // nil for a log without a tail
	files    []followed         // certificates and authorities
}

// follow puts together what the gateway follows, and the limits.
func (g *Gateway) follow(o Options) (err error) {
	f := &g.follows
	f.tenants = limit.NewBook()
	f.revoked = revocation.NewSet(revocation.DefaultMax, o.Now)
	f.feed = feed.NewFollower(feed.Options{Client: g.redis, Apply: f.apply, Log: g.log, Now: time.Now})
	f.fleet = ratelimit.NewFleet(g.redis, uuid.NewString(), g.config.Limits.FleetSize)
	f.shadow = ratelimit.NewShadow(g.redis, g.log, time.Now)
	if tail := logging.TailOf(g.log); tail != nil {
		f.tail = logtail.NewPublisher(g.config.LogTail, g.redis, tail)
	}
	issuers := g.issuers(o)
	f.keys, err = keys.Open(keys.Options{
		Config: g.config.Keys, Token: g.config.Token, Backends: issuers, Fetch: f.issuers.Fetch, Log: g.log, Now: o.Now,
	})
	if err != nil {
		return err
	}

	builtIn, err := ratelimit.BuiltIn()
	if err != nil {
		return err
	}
	limiter := ratelimit.New(ratelimit.Options{
		Store: ratelimit.NewRedis(g.redis), Keys: g.config.Limits.Keys, Fallback: g.config.Limits.Fallback, Fleet: f.fleet.Size, Log: g.log,
	})
	g.limits = edge.NewLimits(builtIn, limiter, f.shadow, f.tenants.Get)
	if g.config.Limits.File == "" {
		return nil
	}
	f.policies, err = watch.Open(watch.Options{
		Name: "limits", Path: g.config.Limits.File, Every: limitsPoll, Apply: g.followPolicies, Log: g.log,
	})
	return err
}

// issuers returns the addresses of those who serve the public keys, and takes up
// those that are not among the gateway's backends.
func (g *Gateway) issuers(o Options) []string {
	g.follows.issuers = g.proxy
	if len(g.config.Keys.Backends) == 0 {
		return g.config.Proxy.Backends
	}
	c := g.config.Proxy
	c.Backends, c.HealthPath = g.config.Keys.Backends, off // asking for keys tells enough
	g.follows.issuers = proxy.New(proxy.Options{Config: c, Dial: o.Dial, Log: g.log})
	return c.Backends
}

func (g *Gateway) followPolicies(content []byte) error {
	policies, err := ratelimit.ParsePolicies(content)
	if err == nil {
		g.limits.Follow(policies)
	}
	return err
}

var feedRefused = metrics.NewCounter(`gateway_feed_refused_total`)

// apply takes in what the feed tells. What cannot be read, such as something of a
// newer version of the backend, is counted and leaves what is known as it is.
func (f *follows) apply(items []feed.Item) {
	for _, item := range items {
		switch item.Kind {
		case feed.Session:
			if session, expires, ok := revocation.Parse(item); ok {
				f.revoked.Add(session, expires)
				continue
			}
		case feed.Tenant:
			if t, err := limit.ParseTenant(item.Value); err == nil && t.ID == item.Key && t.Version == item.Version {
				f.tenants.Apply(t)
				continue
			}
		}
		feedRefused.Inc()
	}
}

// refused reports that a valid token does not count any more.
func (f *follows) refused(c *token.Claims) bool {
	if f.revoked.Revoked(c.Session) {
		return true
	}
	t := f.tenants.Get(c.Tenant)
	return t != nil && t.Refused()
}

// fresh reports that the gateway knows of what was revoked up to now.
func (f *follows) fresh() bool { return f.feed.Fresh(freshEnough) }

// run follows everything until ctx ends.
func (f *follows) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, run := range []func(context.Context){f.keys.Run, f.feed.Run, f.fleet.Run, f.shadow.Run} {
		wg.Go(func() { run(ctx) })
	}
	if f.tail != nil {
		wg.Go(func() { f.tail.Run(ctx) })
	}
	if f.policies != nil {
		wg.Go(func() { f.policies.Run(ctx) })
	}
	for _, file := range f.files {
		wg.Go(func() { file.Run(ctx) })
	}
	wg.Wait()
}

// Reload looks now at all files that are followed, and at the backends' keys.
// What is wrong with one is logged, and its last good content stays in force.
func (g *Gateway) Reload() {
	g.follows.keys.Reload()
	if g.follows.policies != nil {
		_ = g.follows.policies.Reload()
	}
	for _, file := range g.follows.files {
		_ = file.Reload()
	}
}
