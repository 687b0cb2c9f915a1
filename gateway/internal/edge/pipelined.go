package edge

import "gatehouse/internal/problem"

// behindChunked refuses a request that had begun to arrive when the chunked body
// before it ended. fasthttp takes a bare LF for the end of a chunked body's
// trailers, and shows nobody what it took, when the end of another header
// follows; so what it calls the next request might be trailers to a proxy in
// front. Clients wait for the answer to a chunked request, and are not concerned.
func (c *Conn) behindChunked() *problem.Error {
	if c == nil || !c.chunked || !c.pipelined() {
		return nil
	}
	return problem.Newf(problem.BadFraming, "The request was sent behind a chunked one, before that was answered.")
}

// noteBody remembers how the body of a request was framed. Nothing of it comes any
// more.
func (c *Conn) noteBody(f *Fields) {
	if c != nil {
		c.chunked = f.TransferEncoding != nil
		c.overhead = overhead{}
	}
}

// pipelined reports whether the request had begun to arrive when the one before
// it ended, whose answer may then not be written yet.
func (c *Conn) pipelined() bool { return c.behind }
