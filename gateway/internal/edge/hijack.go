package edge

import (
	"io"
	"net"
)

// Hijack hands the client's connection to run once the answer is written. If that
// fails run is not called, and dropped is: fasthttp tells nobody.
func (ex *Exchange) Hijack(run func(net.Conn), dropped func()) {
	conn := connOf(ex.Ctx.Conn())
	if conn != nil {
		conn.dropped.Store(&dropped)
	}
	ex.Ctx.Hijack(func(c net.Conn) {
		if conn == nil || conn.dropped.Swap(nil) != nil {
			run(c)
		}
	})
}

// Tunnel is [Exchange.Hijack] for what lasts beyond the answer: the exchange ends
// with [Exchange.Finish], which run or dropped must call as the last.
func (ex *Exchange) Tunnel(run func(net.Conn), dropped func()) {
	ex.streamed = true
	ex.Hijack(run, dropped)
}

// unhijack takes Hijack back.
func (ex *Exchange) unhijack() {
	if conn := connOf(ex.Ctx.Conn()); conn != nil {
		conn.dropped.Store(nil)
	}
	ex.Ctx.HijackSetNoResponse(false)
	ex.Ctx.Hijack(nil)
}

// untilClose is the size of an answer that the connection's end ends, as fasthttp
// writes it.
const untilClose = -2

// drop is called when the server closes the connection.
func (c *Conn) drop() {
	if dropped := c.dropped.Swap(nil); dropped != nil {
		(*dropped)()
	}
}

// streamUntilClose sends a streamed answer of unknown length to a client of
// HTTP/1.0, which knows no chunks: the end of the connection ends it. fasthttp
// would send chunks.
func (ex *Exchange) streamUntilClose(body io.Reader) {
	ctx := ex.Ctx
	ctx.HijackSetNoResponse(true)
	closeBody := func() { _ = ctx.Response.CloseBodyStream() } // a stream's Close reports nothing
	ex.Hijack(func(net.Conn) {
		defer closeBody()
		conn := ctx.Conn()
		ex.Progress()
		if _, err := conn.Write(ctx.Response.Header.Header()); err == nil {
			// What goes wrong shows in that the answer is cut.
			_, _ = io.Copy(conn, body)
		}
	}, closeBody)
}
