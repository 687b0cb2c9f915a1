package backend

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxSocketPath leaves room for a suffix in the 103 bytes that every system
	// has for a socket's path.
	maxSocketPath = 90
	// socketMode lets the owner and the group connect: whoever can is taken for a
	// gateway.
	socketMode = 0o660
)

// socketPath returns the path of unix:/path.
func socketPath(addr string) (string, bool) { return strings.CutPrefix(addr, "unix:") }

// listenAPI listens on host:port or unix:/path.
func listenAPI(addr string) (net.Listener, error) {
	if path, ok := socketPath(addr); ok {
		return listenSocket(path)
	}
	return net.Listen("tcp", addr)
}

// socketListener removes its socket at the end, unless another process has put
// its own there meanwhile.
type socketListener struct {
	*net.UnixListener

	path   string
	own    fs.FileInfo
	remove sync.Once
}

// listenSocket listens on a Unix socket. One that a process left behind, which
// did not end well, is replaced; one on which a process listens is not. The
// socket appears with its mode: it is made beside its place and moved there.
func listenSocket(path string) (net.Listener, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	l := &socketListener{UnixListener: ln, path: path}
	if err = os.Chmod(beside, socketMode); err == nil {
		if l.own, err = os.Lstat(beside); err == nil {
			err = os.Rename(beside, path)
		}
	}
	if err != nil {
		_ = ln.Close()
		_ = os.Remove(beside)
		return nil, err
	}
	return l, nil
}

// checkFree reports why a socket must not be put at path.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil // nobody listens any more
	case !errors.Is(err, syscall.EAGAIN): // whose queue is full
		return err
	}
	return fmt.Errorf("another process listens on %s", path)
}

// Addr returns the address at which clients reach the listener.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the socket.
func (l *socketListener) Close() error {
	err := l.UnixListener.Close()
	l.remove.Do(func() {
		if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.own) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}
