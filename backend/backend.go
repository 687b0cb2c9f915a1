package backend

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/audit"
	"gatehouse/backend/internal/auth"
	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/cached"
	"gatehouse/backend/internal/catalogue"
	"gatehouse/backend/internal/contact"
	"gatehouse/backend/internal/housekeeping"
	"gatehouse/backend/internal/invoice"
	"gatehouse/backend/internal/logstream"
	"gatehouse/backend/internal/override"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/session"
	"gatehouse/backend/internal/tenant"
	"gatehouse/backend/internal/user"
	"gatehouse/backend/internal/verdict"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/feed"
	"gatehouse/internal/health"
	"gatehouse/internal/logging"
	"gatehouse/internal/logtail"
	"gatehouse/internal/ops"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// maintConns is how many connections operators' work may take.
const maintConns = 8

// Backend is one backend process.
type Backend struct {
	config  Config
	log     *slog.Logger
	db      *pg.DB
	maint   *pg.DB
	tenants *placement.Directory
	prober  *tenant.Prober
	redis   *redisconn.Client
	cache   *cache.Cache
	keys    *token.Keyring
	tls     security
	traces  *telemetry.Tracer
	// announcer tells the gateways of changes, feed this process of what others
	// announce: only the cache needs to know, so it is nil without one.
	announcer *announce.Announcer
	feed      *feed.Follower
	// hub feeds the streams of log lines, to which publisher adds this process's
	// own: nil for a log that has no tail.
	hub       *logtail.Hub
	streams   *logstream.Service
	publisher *logtail.Publisher
	keeper    *housekeeping.Keeper
	checker   *health.Checker
	server    *fasthttp.Server
	ops       *ops.Server
	draining  atomic.Bool
}

// New builds a backend from a valid configuration. It opens no connection yet.
func New(c Config, log *slog.Logger) (*Backend, error) {
	db, err := pg.Open(c.Database)
	if err != nil {
		return nil, err
	}
	db.RegisterMetrics("main")
	maintConfig := c.Database
	maintConfig.URL, maintConfig.MaxConns = c.Maint.URL, maintConns
	maint, err := pg.Open(maintConfig)
	if err != nil {
		return nil, err
	}
	maint.RegisterMetrics("maint")
	redis, err := redisconn.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	hasher, err := password.New(c.Password)
	if err != nil {
		return nil, err
	}
	cursors, err := web.NewCursors(c.Cursor, time.Now)
	if err != nil {
		return nil, err
	}
	var hashKeys [][]byte
	for _, secret := range placement.Keys(c.Tenants.Key) {
		key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "gatehouse idempotency v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive the key of request hashes: %w", err)
		}
		hashKeys = append(hashKeys, key)
	}
	keys, err := token.Open(c.Token, log, time.Now)
	if err != nil {
		return nil, err
	}
	secure, err := openTLS(c.TLS, log)
	if err != nil {
		return nil, err
	}
	directory, err := placement.New(c.Tenants, db, c.Database, log, time.Now)
	if err != nil {
		return nil, err
	}
	checker := health.NewChecker(
		health.Check{Name: "database", Required: true, Run: db.Check},
		health.Check{Name: "redis", Run: redis.Check},
	)
	verdicts := verdict.New(directory, time.Now)
	announcer := announce.New(announce.Options{
		Heard: verdicts.Apply,
		Redis: redis, Maint: maint, Directory: directory, TenantHash: c.Logging.TenantHash, Now: time.Now, Log: log,
	})
	traces, err := telemetry.OpenTraces(c.Trace, "backend", 0, log)
	if err != nil {
		return nil, err
	}
	app := &web.App{
		Log:      log,
		Traces:   traces,
		Tokens:   web.NewTokens(keys, c.Logging.TenantHash, time.Now),
		Cursors:  cursors,
		HashKeys: hashKeys,
		Trusted:  c.TrustedGateways,
		Timeout:  c.RequestTimeout,
	}
	reads := cache.New(c.Cache, redis)
	accounts := &auth.Service{
		Directory:      directory,
		Cache:          reads,
		Announcer:      announcer,
		Hasher:         hasher,
		Keys:           keys,
		AccessLifetime: time.Duration(c.MaxAge) * time.Second,
		ReuseGrace:     c.ReuseGrace,
		TenantHash:     c.Logging.TenantHash,
		Now:            time.Now,
		Log:            log,
	}
	sessions := &session.Service{Directory: directory, Announcer: announcer}
	answers := func(kind cache.Kind) cached.Answers {
		return cached.Answers{Cache: reads, Verdicts: verdicts, Kind: kind}
	}
	contacts := &contact.Service{Directory: directory, Cached: answers(cache.Contacts)}
	catalogues := &catalogue.Service{Directory: directory, Cached: answers(cache.Catalogue)}
	invoices := &invoice.Service{
		Directory: directory, Cached: answers(cache.Invoices), Catalogue: catalogues,
		Windows: c.Invoice.Windows(), Random: rand.Reader, Now: time.Now,
	}
	users := &user.Service{
		Directory:  directory,
		Announcer:  announcer,
		Cache:      reads,
		Maint:      maint,
		Hasher:     hasher,
		TenantHash: c.Logging.TenantHash,
		Now:        time.Now,
		Log:        log,
	}
	trails := &audit.Service{Directory: directory, Maint: maint, TenantHash: c.Logging.TenantHash, Log: log}

	prober := tenant.NewProber(maint, directory, log, time.Now)
	tenants := tenant.New(tenant.Service{
		Maint: maint, Directory: directory, Announcer: announcer, Prober: prober, Log: log, TenantHash: c.Logging.TenantHash,
	})
	overrides := &override.Service{
		Maint: maint, Announcer: announcer, TenantHash: c.Logging.TenantHash, Now: time.Now, Log: log,
	}

	hub := logtail.NewHub(c.LogTail, redis)
	streams := logstream.New(c.Streams, hub, verdicts)
	var publisher *logtail.Publisher
	if tail := logging.TailOf(log); tail != nil {
		publisher = logtail.NewPublisher(c.LogTail, redis, tail)
	}
	var follower *feed.Follower
	if c.Cache.On() {
		follower = feed.NewFollower(feed.Options{Client: redis, Apply: verdicts.Apply, Log: log, Now: time.Now})
	}
	return &Backend{
		config:    c,
		log:       log,
		db:        db,
		maint:     maint,
		tenants:   directory,
		prober:    prober,
		redis:     redis,
		cache:     reads,
		keys:      keys,
		tls:       secure,
		traces:    traces,
		announcer: announcer,
		feed:      follower,
		hub:       hub,
		streams:   streams,
		publisher: publisher,
		keeper: housekeeping.New(housekeeping.Options{
			Config: c.Keeping, Maint: maint, Directory: directory, TenantHash: c.Logging.TenantHash, Log: log,
		}),
		checker: checker,
		server: newServer(app, routes(checker, features{
			auth: accounts, session: sessions, contact: contacts, catalogue: catalogues, invoice: invoices, user: users, audit: trails,
			tenant: tenants, override: overrides,
			streams: streams, keys: keys,
		}), checker, log),
		ops: ops.New(checker, log),
	}, nil
}

func newServer(app *web.App, routes []web.Route, probe *health.Checker, log *slog.Logger) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      tellReady(probe, app.Trusts, app.Handler(routes)),
		ErrorHandler:                 app.ServerError,
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true,
		// Gateways re-frame requests and keep connections, so these bound only
		// what a broken peer can cost.
		ReadTimeout:           web.BodyTime,
		WriteTimeout:          30 * time.Second,
		IdleTimeout:           time.Minute, // above the gateways' 10 s, who then close first
		ReadBufferSize:        32 << 10,    // the gateway's header limit and the headers it adds
		MaxRequestBodySize:    web.MaxBody,
		HeaderReceived:        web.Bounds(routes), // for what may take more
		Concurrency:           16 << 10,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
		Logger:                logging.Library{Log: log},
	}
}

// Listen opens the listeners, so that a taken port is known before anything
// starts.
func (b *Backend) Listen() (api, opsListener net.Listener, err error) {
	if api, err = listenAPI(b.config.Addr); err != nil {
		return nil, nil, fmt.Errorf("BACKEND_ADDR: %w", err)
	}
	if opsListener, err = net.Listen("tcp", b.config.OpsAddr); err != nil {
		_ = api.Close()
		return nil, nil, fmt.Errorf("BACKEND_OPS_ADDR: %w", err)
	}
	return api, opsListener, nil
}

// Run serves until ctx ends, then drains: it reports not ready, goes on for
// DRAIN_DELAY, with each answer the last on its connection, stops accepting, and
// finishes what is in flight, within SHUTDOWN_TIMEOUT.
func (b *Backend) Run(ctx context.Context) error {
	api, opsListener, err := b.Listen()
	if err != nil {
		return err
	}
	return b.Serve(ctx, api, opsListener)
}

// Serve is Run on listeners that are open already; it closes them.
func (b *Backend) Serve(ctx context.Context, api, opsListener net.Listener) error {
	// Until no request can have anything to announce any more.
	announcing, silence := context.WithCancel(context.WithoutCancel(ctx))
	var runs sync.WaitGroup
	runs.Go(func() { b.announcer.Run(announcing) })
	runs.Go(func() { b.cache.Run(announcing) })
	if b.feed != nil {
		runs.Go(func() { b.feed.Run(announcing) })
	}
	runs.Go(func() { b.hub.Run(announcing) })
	if b.publisher != nil {
		runs.Go(func() { b.publisher.Run(announcing) })
	}
	runs.Go(func() { b.keeper.Run(announcing) })
	runs.Go(func() { b.keys.Run(announcing) })
	for _, file := range b.tls.files() {
		runs.Go(func() { file.Run(announcing) })
	}
	b.server.Handler = b.lastWord(b.server.Handler)
	failed := make(chan error, 2)
	go func() { failed <- b.ops.Serve(opsListener) }()
	go func() { failed <- b.server.Serve(b.tls.over(api)) }()
	b.log.Info("listening", "listener", "ops", "addr", opsListener.Addr().String())
	b.log.Info("listening", "listener", "api", "addr", api.Addr().String())
	b.log.Info("ready")

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = b.drain(failed)
	}
	return errors.Join(err, b.stop(func() { silence(); runs.Wait() }))
}

// Reload looks now at the files that are followed. What is wrong with one is
// logged, and its last good content stays in force.
func (b *Backend) Reload() {
	_ = b.keys.Reload()
	for _, file := range b.tls.files() {
		_ = file.Reload()
	}
}

// stop ends what requests need once there are none.
func (b *Backend) stop(silence func()) error {
	b.streams.Stop()
	err := b.finish()
	silence()
	err = errors.Join(err, b.stopOps(), b.redis.Close())
	b.prober.Close()
	b.tenants.Close()
	b.maint.Close()
	b.db.Close()
	b.traces.Close()
	b.log.Info("stopped")
	return err
}
