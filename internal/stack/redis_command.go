package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// command sends one command over a connection of its own and returns the
// answer, an array's elements one a line. This package has no Redis client.
func (r *Redis) command(ctx context.Context, words ...string) (string, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", r.port.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	var b strings.Builder
	for _, words := range [][]string{{"AUTH", r.password}, words} {
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	if _, err := readAnswer(in); err != nil {
		return "", err
	}
	return readAnswer(in)
}

// want is command for a command that answers OK.
func (r *Redis) want(ctx context.Context, words ...string) error {
	answer, err := r.command(ctx, words...)
	if err == nil && answer != "OK" {
		err = fmt.Errorf("the answer is %q", answer)
	}
	if err != nil {
		return fmt.Errorf("redis: %s: %w", words[0], err)
	}
	return nil
}

func readAnswer(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("an empty answer")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+', ':':
		return text, nil
	case '-':
		return "", errors.New(text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || kind != '$' && kind != '*' {
		return "", fmt.Errorf("the answer %q is not understood", line)
	}
	if n < 0 {
		return "", nil
	}
	if kind == '$' {
		bulk := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(in, bulk); err != nil {
			return "", err
		}
		return string(bulk[:n]), nil
	}
	elements := make([]string, n)
	for i := range elements {
		if elements[i], err = readAnswer(in); err != nil {
			return "", err
		}
	}
	return strings.Join(elements, "\n"), nil
}

// await repeats ok, which says what it waits for while it waits, until it
// returns "" or patience is over.
func await(ctx context.Context, patience time.Duration, ok func() string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := ok()
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis: not within %v: %s", patience, missing)
		case <-tick.C:
		}
	}
}
