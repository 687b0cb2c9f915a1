// Package programtest stands in for the gateway and the backend in tests of
// the stack, which must not depend on what those do: the test's own binary,
// under another name, listens where it is told to and says that it is ready.
//
// Variables make it misbehave: FAKE_FAIL=<command> fails that command with a
// message, FAKE_DIE=<program> ends that program half a second after it was
// first asked whether it is ready, and FAKE_STUBBORN=1 ignores SIGTERM.
package programtest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Programs are the names of the programs that are stood in for.
var Programs = []string{"gateway", "backend"}

// Main is to be the first call of TestMain: when the test's binary runs under
// a program's name it acts as that program and does not return.
func Main() {
	name := filepath.Base(os.Args[0])
	for _, p := range Programs {
		if name == p {
			os.Exit(act(name, os.Args[1:]))
		}
	}
}

// Install makes the programs available in dir, for GATEHOUSE_BIN.
func Install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, p := range Programs {
		if err := os.Symlink(self, filepath.Join(dir, p)); err != nil {
			return err
		}
	}
	return nil
}

func act(name string, args []string) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	for _, pair := range os.Environ() {
		fmt.Printf("%s %s level=INFO env %s\n", name, command, pair)
	}
	if os.Getenv("FAKE_FAIL") == command {
		fmt.Printf("level=ERROR msg=\"%s %s is told to fail\"\n", name, command)
		return 1
	}
	if command != "serve" {
		return 0
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	asked, err := listen(name)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if os.Getenv("FAKE_DIE") == name {
		<-asked
		time.Sleep(500 * time.Millisecond)
		panic("told to die")
	}
	<-signals
	if os.Getenv("FAKE_STUBBORN") == "1" {
		select {}
	}
	return 0
}

// listen answers on the program's addresses. The channel gets a value when
// somebody asks whether it is ready.
func listen(name string) (<-chan struct{}, error) {
	asked := make(chan struct{}, 1)
	variables := map[string][]string{
		"gateway": {"GATEWAY_TLS_ADDR", "GATEWAY_HTTP_ADDR", "GATEWAY_OPS_ADDR"},
		"backend": {"BACKEND_ADDR", "BACKEND_OPS_ADDR"},
	}[name]
	for _, variable := range variables {
		l, err := net.Listen("tcp", os.Getenv(variable))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/health/ready" {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				select {
				case asked <- struct{}{}:
				default:
				}
			})}
		go func() { _ = server.Serve(l) }()
	}
	return asked, nil
}
