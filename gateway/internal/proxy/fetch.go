package proxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/requestid"
)

// Fetch gets a document of at most limit bytes from one backend for the gateway
// itself, over a connection that it closes again. Only an answer of 200 will do.
// Ctx bounds it and must have a deadline.
func (p *Proxy) Fetch(ctx context.Context, addr, path string, limit int) ([]byte, error) {
	for _, b := range p.backends {
		if b.addr == addr {
			return b.fetch(ctx, path, limit)
		}
	}
	return nil, fmt.Errorf("%s is not a backend", addr)
}

func (b *backend) fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	dialing, cancel := context.WithTimeout(ctx, b.dialTimeout)
	defer cancel()
	conn, err := b.dial(dialing, b.addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", b.addr, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	body, err := get(conn, b.addr, path, time.Until(deadline), limit)
	if err != nil {
		return nil, fmt.Errorf("get %s from %s: %w", path, b.addr, err)
	}
	return body, nil
}

func get(conn net.Conn, host, path string, left time.Duration, limit int) ([]byte, error) {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s: %s\r\nX-Request-Timeout: %d\r\n\r\n",
		path, host, requestid.Header, requestid.New(), max(1, left.Milliseconds()))
	if err != nil {
		return nil, err
	}
	var response fasthttp.Response
	if err := response.ReadLimitBody(bufio.NewReaderSize(conn, readBuffer), limit); err != nil {
		return nil, err
	}
	if status := response.StatusCode(); status != fasthttp.StatusOK {
		return nil, fmt.Errorf("it answers %d", status)
	}
	return response.Body(), nil
}
