package edge

import (
	"crypto/tls"
	"errors"
	"strconv"

	"gatehouse/internal/problem"
	"gatehouse/internal/requestid"
)

// tellPlain answers a client that speaks HTTP where TLS is wanted. It is told so
// in clear, since it would understand nothing else.
func (c *secureConn) tellPlain(err error) {
	var notTLS tls.RecordHeaderError
	if !errors.As(err, &notTLS) || notTLS.Conn == nil || !beginsLikeHTTP(notTLS.RecordHeader[:]) {
		return
	}
	LingerOnClose(c) // more of the request may be on its way
	// If it cannot be written nobody reads it.
	_, _ = notTLS.Conn.Write(plainAnswer(requestid.New()))
}

// beginsLikeHTTP reports whether the first five bytes may be those of a request.
func beginsLikeHTTP(start []byte) bool {
	switch string(start) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO":
		return true
	}
	return false
}

// plainAnswer is the whole answer, in the form of all others.
func plainAnswer(id string) []byte {
	p := problem.Newf(problem.BadFraming, "Client sent an HTTP request to an HTTPS server.")
	body := p.AppendJSON(nil, "", id)
	b := append(make([]byte, 0, 2<<10), "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: "+problem.ContentType+"\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	for _, h := range append(secureHeaders[:len(secureHeaders):len(secureHeaders)], noStore, header{requestIDName, []byte(id)}) {
		b = append(append(append(append(b, "\r\n"...), h.name...), ": "...), h.value...)
	}
	return append(append(b, "\r\n\r\n"...), body...)
}
