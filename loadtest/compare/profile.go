package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const profileTime = 30 * time.Second

// writeProfile loads the gateway in all ways that cost CPU time, in turns, and
// writes where it went.
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
		fresh, err := b.sign(b.requests / 10)
		if err != nil {
			return err
		}
		for _, l := range []load{
			{addr: p.plain, requests: b.requests, request: b.user},
			{addr: p.tls, tls: clientTLS(), requests: b.requests, request: b.user},
			{addr: p.plain, requests: len(fresh), request: cycle(fresh)},
			{addr: p.tls, tls: clientTLS(), requests: b.requests / 100, request: b.user, reconnect: true},
		} {
			l.conns = b.conns
			if _, err := l.run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

func fetchProfile(ctx context.Context, ops, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", ops, int(profileTime.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		return err
	}
	return out.Close()
}
