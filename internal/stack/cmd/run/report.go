package main

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/internal/stack"
)

// report prints where everything is, how to sign in, and three commands that
// work when they are pasted into a shell.
func report(w io.Writer, s *stack.Stack, o stack.Options, took time.Duration) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("\nGatehouse is ready (%.1f s).\n", took.Seconds())
	for _, g := range s.Gateways {
		line("  %-10s %s  %s  ops %s", g.Name(), local(g.HTTPS), local(g.HTTP), g.Ops)
	}
	for _, b := range s.Backends {
		line("  %-10s %s  ops %s", b.Name(), b.API, b.Ops)
	}
	line("  %-10s %s/console/", "console", s.Gateways[0].Ops)
	line("  %-10s %s/docs", "reference", s.Gateways[0].HTTP)
	line("  %-10s %s", "database", database(s))
	line("  %-10s %s", "logs", filepath.Join(o.Dir, "log"))
	line("  %-10s . %s", "shell", quote(filepath.Join(o.Dir, stack.EnvFile)))
	line("")
	line("  %-10s tenant %s, user %s, password %s", "demo", stack.DemoTenant, stack.DemoUser, s.Secrets.DemoPassword)
	line("  %-10s tenant platform, user %s, password %s", "operator", stack.OperatorUser, s.Secrets.OperatorPassword)
	line("\nTry it in another terminal: sign in, store a contact, list the contacts.\n")
	line("%s\n", strings.Join(commands(s), "\n\n"))
	line("Ctrl-C stops everything. The data stays in %s until `make clean`.", o.Dir)
}

// database says where the data is. A server of somebody else's was chosen by the
// environment, maybe by accident, so what was done to it is said.
func database(s *stack.Stack) string {
	u, err := url.Parse(s.OwnerURL)
	if err != nil || s.Postgres != nil {
		return s.OwnerURL
	}
	return fmt.Sprintf("%s on %s, from DATABASE_URL; its roles gh_* have new passwords", strings.TrimPrefix(u.Path, "/"), u.Host)
}

// local shows a loopback address by the name that people and the certificate
// know.
func local(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() != "127.0.0.1" {
		return base
	}
	u.Host = "localhost:" + u.Port()
	return u.String()
}

func commands(s *stack.Stack) []string {
	curl := "curl -sS --cacert " + quote(s.CertFile)
	base := local(s.Gateways[0].HTTPS) + "/api/v1"
	login := fmt.Sprintf(`{"username_or_email":"%s","password":"%s","tenant_id":"%s"}`,
		stack.DemoUser, s.Secrets.DemoPassword, stack.DemoTenant)
	contact := `{"name":"Ada Lovelace","gender":false,"age":36,"address":"12 St James Square, London","phone":"+44 20 7946 0000","email":"ada@example.com"}`
	return []string{
		fmt.Sprintf(`TOKEN=$(%s %s/auth/login -H 'Content-Type: application/json' -d '%s' | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')`, curl, base, login),
		fmt.Sprintf(`%s -w '\n' %s/address-book -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '%s'`, curl, base, contact),
		fmt.Sprintf(`%s -w '\n' %s/address-book -H "Authorization: Bearer $TOKEN"`, curl, base),
	}
}

// quote makes path one word for a shell.
func quote(path string) string {
	if !strings.ContainsAny(path, " \t\n'\"\\$`!*?[]{}()<>|&;#~") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
