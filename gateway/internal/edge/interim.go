package edge

import (
	"io"
	"net"
	"time"
)

// Interim returns where an interim answer can be written, with one call, or nil:
// not to a client of HTTP/1.0, and not while an answer to an earlier request may
// not have been written yet.
func (ex *Exchange) Interim() io.Writer {
	conn := connOf(ex.Ctx.Conn())
	if conn == nil || conn.pipelined() || !ex.Ctx.Request.Header.IsHTTP11() {
		return nil
	}
	return &interim{ex.Ctx.Conn(), conn.limits.sendTimeout}
}

// interim writes an interim answer past fasthttp, which has set no time for it.
type interim struct {
	conn net.Conn
	time time.Duration
}

// Write implements io.Writer.
func (i *interim) Write(b []byte) (n int, err error) {
	if err = i.conn.SetWriteDeadline(time.Now().Add(i.time)); err == nil {
		n, err = i.conn.Write(b)
	}
	if err != nil {
		// Some of it may have been read, and what was written now would be taken for
		// the rest.
		_ = i.conn.Close()
	}
	return n, err
}
