package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/gateway/internal/console"
	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/proxy"
	"gatehouse/gateway/internal/reference"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/health"
	"gatehouse/internal/logging"
	"gatehouse/internal/ops"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Options is what a gateway is made of.
type Options struct {
	Config Config
	Log    *slog.Logger

	// Now is the clock that tokens and the end of aliases are held against; nil
	// is time.Now.
	Now func() time.Time
	// Dial connects to backends; nil is TCP.
	Dial proxy.Dialer
	// Listeners to use instead of listening on the configured addresses.
	TLSListener, HTTPListener, OpsListener net.Listener
}

// Gateway is one gateway. Make it with [New], run it with [Gateway.Run].
type Gateway struct {
	config Config
	log    *slog.Logger

	table     *route.Table
	aliases   *edge.Aliases
	redis     *redisconn.Client
	limits    *edge.Limits
	auth      *edge.Authenticator
	admission *edge.Admission
	proxy     *proxy.Proxy
	traces    *telemetry.Tracer
	edge      *edge.Server
	checker   *health.Checker
	ops       *ops.Server
	follows   follows
	serving   atomic.Bool

	listeners []listener
}

// localOperations are what the gateway can answer by itself, by operationId.
var localOperations = []string{"getOpenAPI", "getReference", "getReferenceFile", "explainLimits", "getShadowLimits"}

// listener is a socket that is open and not served yet.
type listener struct {
	name  string // tls, http or ops
	ln    net.Listener
	serve func(net.Listener) error
}

// New puts a gateway together and opens its listeners. Its configuration must
// have passed Validate. If it fails, nothing stays open.
func New(o Options) (*Gateway, error) {
	g := &Gateway{config: o.Config, log: o.Log}
	if err := g.assemble(o); err != nil {
		g.close()
		return nil, err
	}
	if err := g.listen(o); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) assemble(o Options) error {
	document, err := g.config.document()
	if err != nil {
		return err
	}
	if g.table, err = route.Compile(document); err != nil {
		return err
	}
	if !g.config.Edge.Compat.On() {
		g.table = g.table.WithoutAliases()
	}
	requestTime := o.Now // nil: a request's own, which spares a look at the clock
	if o.Now == nil {
		o.Now = time.Now
	}
	g.aliases = edge.NewAliases(g.table, g.config.Edge.Compat, o.Now)
	if g.redis, err = redisconn.Open(g.config.Redis, g.log); err != nil {
		return err
	}
	if o.Dial, err = g.secureDialer(o.Dial); err != nil {
		return err
	}
	g.proxy = proxy.New(proxy.Options{
		Config: g.config.Proxy, Dial: o.Dial, Log: g.log, Now: o.Now,
		Refused: func(c *token.Claims) bool { return g.follows.refused(c) },
	})
	if err := g.follow(o); err != nil {
		return err
	}
	if g.traces, err = telemetry.OpenTraces(g.config.Trace, "gateway", g.config.Sample.Ratio, g.log); err != nil {
		return err
	}
	g.auth = edge.NewAuthenticator(edge.AuthenticatorOptions{
		Keys: g.follows.keys.Ring(), Look: g.follows.keys.Look, Revoked: g.follows.refused,
		Cache: edge.NewTokenCache(g.config.Edge.TokenCacheTokens), Limits: g.limits, Hash: g.config.Log.TenantHash, Now: requestTime,
	})

	g.admission = edge.NewAdmission(g.limits, g.follows.fleet.Size, g.table,
		g.config.Admission.Bounds(len(g.config.Proxy.Backends)*g.config.Proxy.MaxConns))

	end, err := edge.Dispatch(g.table, map[string]edge.Handler{
		"getOpenAPI":       edge.Document(g.table),
		"getReference":     reference.Handle,
		"getReferenceFile": reference.Handle,
		"explainLimits":    edge.Fresh(g.follows.fresh, g.limits.Explain(g.table)),
		"getShadowLimits":  edge.Fresh(g.follows.fresh, g.limits.ReportShadow),
	}, g.proxy.Handle)
	if err != nil {
		return err
	}
	g.edge = edge.NewServer(g.fitFiles(g.config.Edge), g.table, g.pipeline(end), g.log)
	g.checker = health.NewChecker(
		// Routes it has, or it would not have started.
		health.Check{Name: "listeners", Required: true, Run: g.checkListeners},
		health.Check{Name: "keys", Required: true, Run: g.follows.keys.Check},
		// Without backends or Redis a gateway is degraded and still ready: if all
		// of them said no, clients would get resets instead of answers.
		health.Check{Name: "backends", Run: g.proxy.Check},
		health.Check{Name: "redis", Run: g.redis.Check},
		health.Check{Name: "feed", Run: g.checkFeed},
	)
	g.ops = ops.New(g.checker, g.log, ops.Page{Prefix: console.Prefix, Handle: console.New(logging.TailOf(g.log)).Handle})
	return nil
}

func (g *Gateway) checkListeners(context.Context) error {
	if !g.serving.Load() {
		return errors.New("not serving")
	}
	return nil
}

func (g *Gateway) checkFeed(context.Context) error {
	if !g.follows.fresh() {
		return errors.New("not heard of what was revoked lately")
	}
	return nil
}

// listen opens the sockets.
func (g *Gateway) listen(o Options) error {
	// The ops listener comes first: whoever can reach a gateway can ask it how
	// it is.
	if err := g.open("ops", g.config.OpsAddr, o.OpsListener, g.ops.Serve); err != nil {
		return err
	}
	if g.config.servesTLS() || o.TLSListener != nil {
		secure, err := g.secure()
		if err != nil {
			return err
		}
		serve := func(ln net.Listener) error { return g.edge.ServeTLS(ln, secure) }
		if err := g.open("tls", g.config.TLSAddr, o.TLSListener, serve); err != nil {
			return err
		}
	}
	if g.config.servesHTTP() || o.HTTPListener != nil {
		return g.open("http", g.config.HTTPAddr, o.HTTPListener, g.edge.Serve)
	}
	return nil
}

func (g *Gateway) open(name, addr string, given net.Listener, serve func(net.Listener) error) error {
	ln := given
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", addr); err != nil {
			return fmt.Errorf("the %s listener: %w", name, err)
		}
	}
	g.listeners = append(g.listeners, listener{name, ln, serve})
	return nil
}

// Addr returns the address of the listener tls, http or ops, or "" when it is
// off.
func (g *Gateway) Addr(name string) string {
	for _, l := range g.listeners {
		if l.name == name {
			return l.ln.Addr().String()
		}
	}
	return ""
}

// Run serves until ctx ends or a listener fails, then stops: for DRAIN_DELAY
// the gateway says that it is not ready and ends each connection with its next
// answer, then it stops accepting and waits for the requests under way, at most
// SHUTDOWN_TIMEOUT. A gateway runs once.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.close()
	following, endFollowing := context.WithCancel(context.WithoutCancel(ctx))
	var followers sync.WaitGroup
	followers.Go(func() { g.follows.run(following) })
	defer followers.Wait() // before Redis is closed
	defer endFollowing()

	learning, endLearning := context.WithTimeout(ctx, learnTime)
	defer endLearning()
	failed := make(chan error, len(g.listeners))
	for _, l := range g.listeners {
		if l.name != "ops" { // whoever comes first is to be held to what is in force
			g.learn(learning)
		}
		g.log.Info("listening", "listener", l.name, "addr", l.ln.Addr().String())
		go func() {
			if err := l.serve(l.ln); err != nil {
				failed <- fmt.Errorf("the %s listener: %w", l.name, err)
			}
		}()
	}
	g.serving.Store(true)
	g.log.Info("ready", "routes", len(g.table.Routes()), "backends", len(g.config.Proxy.Backends))

	select {
	case err := <-failed:
		g.serving.Store(false)
		g.stop(0)
		return err
	case <-ctx.Done():
		g.stop(g.config.DrainDelay)
		return nil
	}
}

// learnTime bounds how long a gateway that starts waits for a Redis that hangs.
const learnTime = time.Second

// learn waits until the gateway has heard which sessions have ended and what is in
// force for each tenant, or has found that it cannot, or ctx ends.
func (g *Gateway) learn(ctx context.Context) {
	select {
	case <-g.follows.feed.Tried():
	case <-ctx.Done():
	}
}

func (g *Gateway) stop(drain time.Duration) {
	g.log.Info("stopping", "drain", drain.String())
	g.checker.Drain()
	g.edge.Drain()
	time.Sleep(drain)
	g.proxy.EndTunnels() // they would not end by themselves

	ctx, cancel := context.WithTimeout(context.Background(), g.config.StopTimeout)
	defer cancel()
	if cut := g.edge.Shutdown(ctx); cut > 0 {
		g.log.Warn("requests were cut off", "requests", cut)
	}
	// Whoever watches may see the process not ready up to its end.
	opsCtx, cancelOps := context.WithTimeout(context.Background(), time.Second)
	defer cancelOps()
	if err := g.ops.Shutdown(opsCtx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn("stop the ops listener", "cause", err)
	}
	g.log.Info("stopped")
}

// close gives back what New took.
func (g *Gateway) close() {
	for _, l := range g.listeners {
		_ = l.ln.Close() // closed already after a normal stop
	}
	if issuers := g.follows.issuers; issuers != nil && issuers != g.proxy {
		issuers.Close()
	}
	if g.proxy != nil {
		g.proxy.Close()
	}
	if g.redis != nil {
		if err := g.redis.Close(); err != nil {
			g.log.Warn("close redis", "cause", err)
		}
	}
	g.traces.Close()
}
