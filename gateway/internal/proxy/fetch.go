package proxy

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/requestid"
)

// Fetch gets a document of at most limit bytes for the gateway itself, over a
// connection that it closes again, from one of the backends that a configured
// address stands for: the best of them that answers. Only an answer of 200 will
// do. Ctx bounds it and must have a deadline.
func (s *balance) Fetch(ctx context.Context, entry, path string, limit int) ([]byte, error) {
	var list []*backend
	for _, b := range *s.members.Load() {
		if b.entry == entry {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b *backend) int { return cmp.Compare(a.standing(), b.standing()) })
	err := fmt.Errorf("%s is no backend", entry)
	for _, b := range list {
		var body []byte
		if body, err = b.fetch(ctx, path, limit); err == nil {
			return body, nil
		}
	}
	return nil, err
}

func (b *backend) fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	var response fasthttp.Response
	err := b.ask(ctx, path, func(conn net.Conn) error {
		if err := response.ReadLimitBody(bufio.NewReaderSize(conn, readBuffer), limit); err != nil {
			return err
		}
		if status := response.StatusCode(); status != fasthttp.StatusOK {
			return fmt.Errorf("it answers %d", status)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %s from %s: %w", path, b.addr, err)
	}
	return response.Body(), nil
}

// ask sends a request of the gateway's own over a new connection, on which read
// gets the answer. Ctx bounds it and must have a deadline.
func (b *backend) ask(ctx context.Context, path string, read func(net.Conn) error) error {
	conn, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	deadline, _ := ctx.Deadline()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s: %s\r\nX-Request-Timeout: %d\r\n\r\n",
		path, b.host, requestid.Header, requestid.New(), max(1, time.Until(deadline).Milliseconds()))
	if err != nil {
		return err
	}
	return read(conn)
}
