package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// shared is the stack that tests use which leave it as they found it.
var shared *stack.Stack

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var err error
	shared, err = stack.Start(ctx, stack.Options{Gateways: 3, Backends: 2})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if missing := untested(); code == 0 && len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "no test sees these operations succeed: %q\n", missing)
		code = 1
	}
	if strange := strangeMetrics(shared); code == 0 && len(strange) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(strange, "\n"))
		code = 1
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, shared.Output())
	}
	stop, cancelStop := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancelStop()
	if err := shared.Stop(stop); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// ownStack starts a stack for a test that breaks parts of it. Whatever happens to
// it, in the end its metrics are those of the table.
func ownStack(t testing.TB, o stack.Options) *stack.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, complaint := range strangeMetrics(s) {
			t.Error(complaint)
		}
		if t.Failed() {
			t.Log(s.Output())
		}
		stop, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Stop(stop); err != nil {
			t.Error(err)
		}
	})
	return s
}

// eventually retries until ok or until half a minute has passed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not so after 30 s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
