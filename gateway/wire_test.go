package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// message is an HTTP/1.1 request as a strict reader understands it.
type message struct {
	method, target, version string
	header                  [][2]string
	body                    string
}

// String is what a test compares: the line and the body.
func (m message) String() string {
	return strings.TrimSuffix(m.method+" "+m.target+" "+m.body, " ")
}

// values returns all values of a header.
func (m message) values(name string) (list []string) {
	for _, h := range m.header {
		if strings.EqualFold(h[0], name) {
			list = append(list, h[1])
		}
	}
	return list
}

// grammar reads requests by RFC 9112, letter by letter: it shares no code with
// what it judges. Lax is for reading what clients send: it takes what the
// gateway takes and does not pass on as it came, which is HTTP/1.0, empty lines
// before a request, a request line that ends in a bare LF, and chunked bodies with
// extensions, blanks and any trailers.
type grammar struct {
	from *bufio.Reader
	lax  bool
}

var errGrammar = errors.New("not HTTP")

// line returns a line that ends in CR LF and holds no other CR or LF.
func (g grammar) line() (string, error) {
	text, err := g.from.ReadString('\n')
	if err != nil {
		return text, err
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		return "", fmt.Errorf("%w: line %q", errGrammar, text)
	}
	return line, nil
}

// next reads one request. The error is io.EOF at a clean end.
func (g grammar) next() (m message, err error) {
	start, err := g.startLine()
	if err != nil {
		return m, err
	}
	parts := strings.Split(start, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" || strings.ContainsFunc(parts[1], notVisible) {
		return m, fmt.Errorf("%w: request line %q", errGrammar, start)
	}
	m.method, m.target, m.version = parts[0], parts[1], parts[2]
	if m.version != "HTTP/1.1" && !(g.lax && m.version == "HTTP/1.0") {
		return m, fmt.Errorf("%w: version %q", errGrammar, m.version)
	}
	if m.header, err = g.fields(); err != nil {
		return m, unexpected(err)
	}
	if n := len(m.values("Host")); n != 1 && (n > 1 || m.version == "HTTP/1.1") {
		return m, fmt.Errorf("%w: %d Hosts", errGrammar, n)
	}
	m.body, err = g.content(m)
	return m, unexpected(err)
}

func (g grammar) startLine() (string, error) {
	if !g.lax {
		return g.line()
	}
	for {
		line, err := g.from.ReadString('\n')
		if err != nil {
			return "", io.EOF // whatever there was is no request
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.ContainsAny(line, "\r\x00") {
			return "", fmt.Errorf("%w: request line %q", errGrammar, line)
		}
		if line != "" {
			return line, nil
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fields reads lines up to the empty one.
func (g grammar) fields() (list [][2]string, err error) {
	for {
		line, err := g.line()
		if err != nil {
			return nil, err
		}
		if line == "" {
			return list, nil
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fmt.Errorf("%w: header %q", errGrammar, line)
		}
		list = append(list, [2]string{name, value})
	}
}

func (g grammar) content(m message) (string, error) {
	lengths, codings := m.values("Content-Length"), m.values("Transfer-Encoding")
	switch {
	case len(codings) > 0 && (len(codings) > 1 || len(lengths) > 0 || !strings.EqualFold(codings[0], "chunked") || m.version != "HTTP/1.1"):
		return "", fmt.Errorf("%w: codings %q and lengths %q", errGrammar, codings, lengths)
	case len(codings) > 0:
		return g.chunks()
	case len(lengths) > 1 || len(lengths) == 1 && !isNumber(lengths[0]):
		return "", fmt.Errorf("%w: lengths %q", errGrammar, lengths)
	case len(lengths) == 1:
		n, err := strconv.Atoi(lengths[0])
		if err != nil {
			return "", fmt.Errorf("%w: length %s", errGrammar, lengths[0])
		}
		var b strings.Builder
		_, err = io.CopyN(&b, g.from, int64(n))
		return b.String(), err
	}
	return "", nil
}

func (g grammar) chunks() (string, error) {
	var b strings.Builder
	for {
		line, err := g.size()
		if err != nil {
			return "", err
		}
		n, err := strconv.ParseUint(line, 16, 60)
		if err != nil {
			return "", fmt.Errorf("%w: chunk size %q", errGrammar, line)
		}
		if n == 0 {
			break
		}
		if _, err := io.CopyN(&b, g.from, int64(n)); err != nil {
			return "", err
		}
		if end, err := g.line(); err != nil || end != "" {
			return "", fmt.Errorf("%w: a chunk's end: %q, %w", errGrammar, end, err)
		}
	}
	return b.String(), g.trailers()
}

// size reads the line that a chunk begins with.
func (g grammar) size() (string, error) {
	if !g.lax {
		return g.line()
	}
	text, err := g.from.ReadString('\n')
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok {
		return "", fmt.Errorf("%w: chunk size %q", errGrammar, text)
	}
	line, _, _ = strings.Cut(line, ";")
	return strings.TrimRight(line, " \t"), nil
}

// trailers reads what stands behind the last chunk. A lax reader does not look
// at it.
func (g grammar) trailers() error {
	for g.lax {
		line, err := g.from.ReadString('\n')
		if err != nil || strings.TrimRight(line, "\r\n") == "" {
			return err
		}
	}
	_, err := g.fields()
	return err
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return notVisible(r) || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func notVisible(r rune) bool { return r <= ' ' || r >= 0x7f }

// isNumber is a Content-Length without leading zeros.
func isNumber(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// strictBackend reads with the grammar and remembers what it got. Whatever is
// not HTTP is a fault. What active health checks ask is left out.
type strictBackend struct {
	mu     sync.Mutex
	got    []message
	faults []error
	answer string // nothing is the usual one
}

const usualAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

// serve answers on one connection until it ends.
func (b *strictBackend) serve(conn net.Conn) {
	defer conn.Close()
	g := grammar{from: bufio.NewReader(conn)}
	for {
		m, err := g.next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
				b.mu.Lock()
				b.faults = append(b.faults, err)
				b.mu.Unlock()
			}
			return
		}
		b.mu.Lock()
		answer := usualAnswer
		if m.target != "/health/ready" {
			b.got = append(b.got, m)
			if b.answer != "" {
				answer = b.answer
			}
		}
		b.mu.Unlock()
		if _, err := io.WriteString(conn, answer); err != nil || answer != usualAnswer {
			return
		}
	}
}

// take returns what came since the last call.
func (b *strictBackend) take() (got []message, faults []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, faults = b.got, b.faults
	b.got, b.faults = nil, nil
	return got, faults
}

// newStrictBackend listens on a loopback port.
func newStrictBackend(t testing.TB) (b *strictBackend, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b = &strictBackend{}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	return b, ln.Addr().String()
}
