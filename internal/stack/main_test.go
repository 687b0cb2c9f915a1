package stack

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/internal/stack/programtest"
)

func TestMain(m *testing.M) {
	programtest.Main()
	if os.Getenv("STACK_TEST_PARENT") == "1" {
		parent()
	}
	_ = flag.Set("test.parallel", "8") // these wait more than they work
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stack-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := programtest.Install(dir); err != nil {
		panic(err)
	}
	if err := os.Setenv("GATEHOUSE_BIN", dir); err != nil {
		panic(err)
	}
	return m.Run()
}

// parent is the process that TestChildrenDieWithTheirParent kills: it starts
// servers, prints their process IDs and does nothing more.
func parent() {
	ctx := context.Background()
	s, err := Start(ctx, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	pids := []int{s.Postgres.PID(), s.Gateways[0].PID(), s.Backends[0].PID()}
	if !s.Redis.Embedded() {
		pids = append(pids, s.Redis.process.PID())
	}
	fmt.Println(s.dir)
	for _, pid := range pids {
		fmt.Println(pid)
	}
	fmt.Println("end")
	select {}
}

// sharedTempDir returns a temporary directory that PostgreSQL's account can
// reach when the test runs as root. (That of testing.T is closed to others.)
func sharedTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serving asks a PostgreSQL server whether it speaks TLS, which any will
// answer, and returns an error when there is no answer in time.
func serving(addr string, patience time.Duration) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if answer[0] != 'N' {
		return fmt.Errorf("the answer is %q", answer)
	}
	return nil
}

// eventually waits until ok returns true, 10 s at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
