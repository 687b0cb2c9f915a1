package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
)

// Secure makes the handshake over a connection to a backend. Ctx bounds it.
func Secure(ctx context.Context, raw net.Conn, c *tls.Config) (net.Conn, error) {
	t := &tap{Conn: raw, peek: newPeeker(raw)}
	s := &secured{tls.Client(t, c), t}
	if err := s.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// secured is a connection to a backend over TLS. To see whether anything lies
// unread on it is not enough to look at the socket: bytes may have been taken
// from there already and not be decrypted yet, and what waits there may be
// tickets for the next session, which are nothing to worry about.
type secured struct {
	*tls.Conn
	tap *tap
}

// quiet reports whether the backend has said nothing that is unread, not even
// in part, nor ended the connection.
func (s *secured) quiet() bool {
	var b [1]byte
	s.tap.looking = true
	n, err := s.Read(b[:])
	s.tap.looking = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && s.tap.missing == 0 && s.tap.head == 0
}

// tap is what TLS reads from. It never waits while somebody looks, and follows
// where records begin and end (RFC 8446 section 5.1).
type tap struct {
	net.Conn
	peek    *peeker
	looking bool
	head    int // bytes of a record's header that were read; 0 between records
	size    int // of its body, as far as the header was read
	missing int // bytes of its body that were not read
}

// recordHeader is the size of a record's header, whose last two bytes are the
// body's.
const recordHeader = 5

// Read implements net.Conn.
func (t *tap) Read(b []byte) (int, error) {
	if t.looking && t.peek.quiet() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := t.Conn.Read(b)
	t.follow(b[:n])
	return n, err
}

func (t *tap) follow(b []byte) {
	for len(b) > 0 {
		if t.missing > 0 {
			n := min(t.missing, len(b))
			t.missing -= n
			b = b[n:]
			continue
		}
		t.head++
		t.size = t.size<<8 | int(b[0])
		b = b[1:]
		if t.head == recordHeader {
			t.missing, t.head, t.size = t.size&0xffff, 0, 0
		}
	}
}
