package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
)

// answer is what the origin says to every request: 1 KiB of JSON.
var answer = func() []byte {
	const size = 1024
	const head, tail = `{"message":"ok","data":{"id":"019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d","note":"`, `"}}`
	body := head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Date: Mon, 02 Nov 2026 10:00:00 GMT\r\nETag: \"7\"\r\n\r\n%s", len(body), body)
}()

// serveOrigin answers requests without a body until the listener is closed. It
// does as little as it can, so that the proxies are what is busy.
func serveOrigin(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, 16<<10)
			n := 0
			for {
				read, err := conn.Read(buffer[n:])
				if err != nil {
					return
				}
				if n += read; !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
					continue
				}
				n = 0
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}
