package stack

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// place decides where every gateway and backend listens.
func (s *Stack) place() error {
	p := &placement{taken: map[string]string{}}
	fixed := s.options.Listen
	for range count(s.options.Backends) {
		b := &Backend{
			api: p.endpoint("BACKEND_ADDR", fixed.BackendAPI),
			ops: p.endpoint("BACKEND_OPS_ADDR", fixed.BackendOps),
		}
		b.API, b.Ops = "http://"+b.api.reach, "http://"+b.ops.reach
		s.Backends = append(s.Backends, b)
		fixed.BackendAPI, fixed.BackendOps = "", ""
	}
	for range count(s.options.Gateways) {
		g := &Gateway{
			tls:   p.endpoint("GATEWAY_TLS_ADDR", fixed.GatewayTLS),
			plain: p.endpoint("GATEWAY_HTTP_ADDR", fixed.GatewayHTTP),
			ops:   p.endpoint("GATEWAY_OPS_ADDR", fixed.GatewayOps),
		}
		g.HTTPS, g.HTTP, g.Ops = "https://"+g.tls.reach, "http://"+g.plain.reach, "http://"+g.ops.reach
		s.Gateways = append(s.Gateways, g)
		fixed.GatewayTLS, fixed.GatewayHTTP, fixed.GatewayOps = "", "", ""
	}
	s.ports = p.ports
	return p.err
}

// count reads a number of processes in [Options].
func count(n int) int {
	if n == 0 {
		return 1
	}
	return max(n, 0)
}

// prepareDatabase makes roles and database, brings the schema up to date and
// seeds the demo tenant. All of it is idempotent.
func (s *Stack) prepareDatabase(ctx context.Context) error {
	start := time.Now()
	out, err := s.output("setup")
	if err != nil {
		return err
	}
	if s.throwaway == nil {
		if err := s.writeShellEnv(); err != nil {
			return err
		}
	}
	env := s.commandEnv(s.options.BackendEnv)
	for _, command := range []string{"bootstrap", "migrate", "seed"} {
		p := newProcess("backend "+command, filepath.Join(s.programs, "backend"), command)
		p.env = env
		p.out.log = out
		if err := p.run(ctx); err != nil {
			return err
		}
	}
	say(s.options.Progress, "database migrated and seeded (%.1f s)", time.Since(start).Seconds())
	return nil
}

// startPrograms starts the backends, then the gateways.
func (s *Stack) startPrograms(ctx context.Context) error {
	var addrs []string
	for i, b := range s.Backends {
		env := s.backendEnv(b.api.listen, b.ops.listen, s.options.BackendEnv)
		var err error
		if b.Process, err = s.program("backend", i, len(s.Backends), env, b.Ops); err != nil {
			return err
		}
		addrs = append(addrs, b.api.reach)
	}
	for i, g := range s.Gateways {
		env := s.gatewayEnv(g.tls.listen, g.plain.listen, g.ops.listen, addrs, s.options.GatewayEnv)
		var err error
		if g.Process, err = s.program("gateway", i, len(s.Gateways), env, g.Ops); err != nil {
			return err
		}
	}
	start := time.Now()
	backends, backendsCtx := errgroup.WithContext(ctx)
	for _, b := range s.Backends {
		backends.Go(func() error { return b.Start(backendsCtx) })
	}
	if err := backends.Wait(); err != nil {
		return err
	}
	gateways, gatewaysCtx := errgroup.WithContext(ctx)
	for _, g := range s.Gateways {
		gateways.Go(func() error { return g.Start(gatewaysCtx) })
	}
	if err := gateways.Wait(); err != nil {
		return err
	}
	say(s.options.Progress, "backend and gateway ready (%.1f s)", time.Since(start).Seconds())
	return nil
}

// How long gateways and backends may take to stop: as long as a test may have
// them drain, or so that a person at a terminal waits 5 s at most for all.
const (
	throwawayGrace  = 20 * time.Second
	persistentGrace = 1500 * time.Millisecond
)

// program returns the i-th of n processes of a kind, not yet started, which is
// ready when its ops listener says so.
func (s *Stack) program(kind string, i, n int, env []string, ops string) (*Process, error) {
	name := kind
	if n > 1 {
		name += "-" + strconv.Itoa(i+1)
	}
	out, err := s.output(name)
	if err != nil {
		return nil, err
	}
	p := newProcess(name, filepath.Join(s.programs, kind), "serve")
	p.env = env
	p.out = out
	p.onEnd = s.died
	p.grace = throwawayGrace
	if s.throwaway == nil {
		p.grace = persistentGrace
	}
	p.ready = func(ctx context.Context, _ int) bool { return healthy(ctx, ops+"/health/ready") }
	return p, nil
}

// probes asks every time on a new connection: an old one may lead to the
// process's earlier life.
var probes = &http.Client{
	Timeout:   2 * time.Second, // readiness checks take 1 s at most
	Transport: &http.Transport{DisableKeepAlives: true},
}

func healthy(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := probes.Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// raceReport is what a program built with the race detector prints.
var raceReport = regexp.MustCompile(`(?s)={18}\nWARNING: DATA RACE\n.*?\n={18}`)

// Output returns the ends of all processes' outputs, for a failed test's log,
// and the first data race that each one reported, whole.
func (s *Stack) Output() string {
	var b strings.Builder
	add := func(name, text string) {
		end := text[max(0, len(text)-16<<10):]
		_, _ = fmt.Fprintf(&b, "--- %s\n%s\n%s\n", name, raceReport.FindString(text), strings.TrimSpace(end))
	}
	if s.Postgres != nil {
		add("postgres", s.Postgres.Output())
	}
	if s.Redis != nil {
		add("redis", s.Redis.Output())
	}
	for _, p := range s.Backends {
		add(p.Name(), p.Output())
	}
	for _, p := range s.Gateways {
		add(p.Name(), p.Output())
	}
	return b.String()
}
