package main

import (
	"bytes"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/stack"
)

func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func dial(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func eventuallyNothingLeft(t *testing.T, report string) {
	t.Helper()
	for _, addr := range addresses.FindAllString(report, -1) {
		for deadline := time.Now().Add(5 * time.Second); dial(addr) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("something still listens on %s", addr)
			}
		}
	}
}

// A database that the environment chose is named, without its passwords.
func TestReportNamesAForeignDatabase(t *testing.T) {
	t.Parallel()
	got := database(&stack.Stack{OwnerURL: "postgres://gh_owner:hunter2@db.example.com:5432/gatehouse"})
	if want := "gatehouse on db.example.com:5432, from DATABASE_URL; its roles gh_* have new passwords"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The commands are what a shell has to take: a stand-in for curl prints its
// arguments and the answer to a login.
func TestCommandsWorkWhenPasted(t *testing.T) {
	t.Parallel()
	s := &stack.Stack{
		CertFile: "/home/o'neil/my checkout/cert.pem",
		Gateways: []*stack.Gateway{{HTTPS: "https://127.0.0.1:8443"}},
		Secrets:  stack.Secrets{DemoPassword: "Gate-abc-1"},
	}
	curl := `curl() { for a; do printf '[%s]\n' "$a" >&2; done; echo '{"data":{"access_token":"a.b-c_d","refresh_token":"r"}}'; }` + "\n"
	cmd := exec.Command("sh", "-euc", curl+strings.Join(commands(s), "\n"))
	var args bytes.Buffer
	cmd.Stderr = &args
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, args.String())
	}
	want := `[-sS]
[--cacert]
[/home/o'neil/my checkout/cert.pem]
[https://localhost:8443/api/v1/auth/login]
[-H]
[Content-Type: application/json]
[-d]
[{"username_or_email":"demo","password":"Gate-abc-1","tenant_id":"tenant1"}]
[-sS]
[--cacert]
[/home/o'neil/my checkout/cert.pem]
[-w]
[\n]
[https://localhost:8443/api/v1/address-book]
[-H]
[Authorization: Bearer a.b-c_d]
[-H]
[Content-Type: application/json]
[-d]
[{"name":"Ada Lovelace","gender":false,"age":36,"address":"12 St James Square, London","phone":"+44 20 7946 0000","email":"ada@example.com"}]
[-sS]
[--cacert]
[/home/o'neil/my checkout/cert.pem]
[-w]
[\n]
[https://localhost:8443/api/v1/address-book]
[-H]
[Authorization: Bearer a.b-c_d]
`
	if diff := cmp.Diff(want, args.String()); diff != "" {
		t.Errorf("curl is called otherwise (-want +got):\n%s", diff)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	hidden := []string{
		"gateway | time=2026-11-22T12:00:00Z level=INFO msg=request",
		"backend | time=2026-11-22T12:00:00Z level=DEBUG msg=x",
		`gateway-2 | {"time":"2026-11-22T12:00:00Z","level":"INFO","msg":"x"}`,
		"postgres | 2026-11-22 12:00:00.000 UTC [1] LOG:  ready",
		"redis | 1:M 22 Nov 2026 12:00:00.000 # WARNING overcommit",
		"setup | level=WARN msg=x",
	}
	shown := []string{
		"gateway | time=2026-11-22T12:00:00Z level=WARN msg=slow",
		`backend-1 | {"level":"ERROR","msg":"x"}`,
		"backend-1 | usage: backend",
		"postgres | 2026-11-22 12:00:00.000 UTC [1] PANIC:  could not write",
		"backend | panic: oh",
	}
	stack := []string{"backend | ", "backend | goroutine 1 [running]:", "backend | main.main()"}
	afterwards := []string{
		"gateway | fatal error: all goroutines are asleep - deadlock!",
		`backend | {"level":"WARN","msg":"x"}`,
		"backend | usage: backend",
	}
	var some, all bytes.Buffer
	f, verbose := &filter{w: &some}, &filter{w: &all, all: true}
	lines := slices.Concat(hidden, shown, stack, afterwards)
	for _, line := range lines {
		_, _ = f.Write([]byte(line + "\n"))
		_, _ = verbose.Write([]byte(line + "\n"))
	}
	if diff := cmp.Diff(strings.Join(slices.Concat(shown, afterwards), "\n")+"\n", some.String()); diff != "" {
		t.Errorf("the filter passes otherwise (-want +got):\n%s", diff)
	}
	if got := strings.Count(all.String(), "\n"); got != len(lines) {
		t.Errorf("-v passes %d of %d lines", got, len(lines))
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	environ := []string{"LOG_LEVEL=debug", "DATABASE_URL=postgres://h/x", "DATABASE_URL_FILE=x", "GATEWAY_TLS_ADDR=:1", "EMPTY=", "TLS_CERT_FILE=x", "RATE_LIMIT_KEYS=2000"}
	lookup := func(name string) (string, bool) {
		for _, pair := range environ {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
	o := options("/x/.data", lookup, environ)
	if want := (stack.Listen{
		GatewayTLS: ":1", GatewayHTTP: "127.0.0.1:8080", GatewayOps: "127.0.0.1:9090",
		BackendAPI: "127.0.0.1:8081", BackendOps: "127.0.0.1:9091",
	}); o.Listen != want {
		t.Errorf("Listen = %+v, want %+v", o.Listen, want)
	}
	if o.DatabaseURL != "postgres://h/x" || o.RedisURL != "" {
		t.Errorf("DatabaseURL = %q, RedisURL = %q", o.DatabaseURL, o.RedisURL)
	}
	if diff := cmp.Diff([]string{"LOG_LEVEL=debug", "RATE_LIMIT_KEYS=2000"}, o.GatewayEnv); diff != "" {
		t.Errorf("the processes get (-want +got):\n%s", diff)
	}
}
