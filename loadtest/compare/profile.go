package main

import (
	"context"
	"fmt"
	"gatehouse/loadtest/load"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const profileTime = 30 * time.Second

// writeProfile loads the gateway in those of the chosen ways that cost CPU time,
// in turns, and writes where it went.
func (b *bench) writeProfile(ctx context.Context, file string) error {
	p, err := b.start(ctx, &kind{name: "gateway", start: func(b *bench, p *proxy) error { return startGateway(b, p, b.gateway) }})
	if err != nil {
		return err
	}
	b.proxies = append(b.proxies, p)
	loading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.mix(loading, p) }()
	err = fetchProfile(ctx, p.ops, file)
	stop()
	if loadErr := <-ended; err == nil {
		err = loadErr
	}
	return err
}

func (b *bench) mix(ctx context.Context, p *proxy) error {
	for ctx.Err() == nil {
		for name := range strings.SplitSeq(b.variants, ",") {
			var l load.Load
			switch name {
			case "http":
				l = load.Load{Check: checkAnswer, Addr: p.plain, Requests: b.requests, Request: b.user}
			case "tls":
				l = load.Load{Check: checkAnswer, Addr: p.tls, TLS: clientTLS(), Requests: b.requests, Request: b.user}
			case "fresh":
				fresh, err := b.sign(b.requests / 10)
				if err != nil {
					return err
				}
				l = load.Load{Check: checkAnswer, Addr: p.plain, Requests: len(fresh), Request: cycle(fresh)}
			case "connect":
				l = load.Load{Check: checkAnswer, Addr: p.tls, TLS: clientTLS(), Requests: b.requests / 100, Request: b.user, Reconnect: true}
			default:
				continue
			}
			l.Conns = b.conns
			if _, err := l.Run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// fetchProfile writes what the gateway's processor time went into.
func fetchProfile(ctx context.Context, ops, file string) error {
	profile, err := get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", ops, int(profileTime.Seconds())))
	if err != nil {
		return err
	}
	return os.WriteFile(file, profile, 0o644)
}

// get gets a document of the ops listener.
func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

// limits is how a gateway's limits were decided.
type limits struct{ commands, fallback float64 }

var (
	limitCommands = regexp.MustCompile(`(?m)^gateway_ratelimit_redis_commands_total (\S+)$`)
	limitFallback = regexp.MustCompile(`(?m)^gateway_ratelimit_fallback_total (\S+)$`)
)

// limits asks a gateway; of other proxies nothing is known.
func (p *proxy) limits(ctx context.Context) (l limits, err error) {
	if p.ops == "" {
		return l, nil
	}
	metrics, err := get(ctx, "http://"+p.ops+"/metrics")
	if err != nil {
		return l, err
	}
	for _, m := range []struct {
		pattern *regexp.Regexp
		value   *float64
	}{{limitCommands, &l.commands}, {limitFallback, &l.fallback}} {
		found := m.pattern.FindSubmatch(metrics)
		if found == nil {
			return l, fmt.Errorf("there is no metric %v", m.pattern)
		}
		if *m.value, err = strconv.ParseFloat(string(found[1]), 64); err != nil {
			return l, err
		}
	}
	return l, nil
}
