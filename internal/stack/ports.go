package stack

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Ports are taken from below every common ephemeral range (32768 and up on
// Linux, 49152 and up elsewhere), so that no outgoing connection gets one.
const (
	firstPort = 20000
	lastPort  = 29999
)

// A Port is a free TCP port on 127.0.0.1 that no other user of this package,
// in this or another process, gets before Release or the end of the process.
type Port struct {
	Number int

	lock *fileLock
}

const portCount = lastPort - firstPort + 1

// ReservePort finds a free port between 20000 and 29999 and reserves it.
func ReservePort() (*Port, error) {
	return reservePort(rand.IntN(portCount)) //nolint:gosec // any start will do: the lock decides
}

// ReservePortFor is ReservePort with the same port for a name each time, unless
// it is taken.
func ReservePortFor(name string) (*Port, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return reservePort(int(h.Sum32() % portCount))
}

func reservePort(start int) (*Port, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("gatehouse-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	for i := range portCount {
		number := firstPort + (start+i)%portCount
		lock, err := tryLock(filepath.Join(dir, strconv.Itoa(number)))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reserve a port: %w", err)
		}
		p := &Port{Number: number, lock: lock}
		if probe(p.Addr()) == nil {
			return p, nil
		}
		p.Release()
	}
	return nil, fmt.Errorf("reserve a port: all of %d to %d are taken", firstPort, lastPort)
}

// Addr returns the port's address, such as 127.0.0.1:20001.
func (p *Port) Addr() string { return "127.0.0.1:" + strconv.Itoa(p.Number) }

// Release lets others reserve the port again.
func (p *Port) Release() {
	if p == nil {
		return
	}
	p.lock.release()
	p.lock = nil
}

// probe reports why nobody could listen on addr right now, or nil.
func probe(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}
