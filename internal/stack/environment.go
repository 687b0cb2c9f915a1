package stack

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/internal/limit"
)

// The database's roles, whose names the migrations know.
const (
	ownerRole = "gh_owner"
	appRole   = "gh_app"
	maintRole = "gh_maint"
)

// Who may sign in to a fresh stack.
const (
	DemoTenant    = "tenant1"
	DemoUser      = "demo"
	OperatorUser  = "operator"
	OperatorEmail = "operator@example.com"
)

// throwawayEnv makes tests fast: cheap hashes and no drain. APP_ENV=development
// permits these values.
var throwawayEnv = []string{
	"ARGON2_MEMORY_KIB=8",
	"ARGON2_TIME=1",
	"SHUTDOWN_TIMEOUT=5s",
	"COMPAT_SUNSET=2999-12-31", // tests are run in years to come
	"ADMISSION_MIN=512",        // a machine that is busy with tests is slow for other reasons
	"LOG_FORMAT=json",
}

// persistentEnv is for a person at a terminal: production's limits, and an end
// within seconds of Ctrl-C.
var persistentEnv = []string{
	"SHUTDOWN_TIMEOUT=1s",
	"MAX_CONNECTIONS=4000", // files that every system lets a process open
	"HSTS=off",             // it would hold for all that is served on localhost
	"LOG_FORMAT=text",
}

// sharedEnv returns what both programs get. They inherit nothing of our own
// environment but what a program needs to run.
func (s *Stack) sharedEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR", "GODEBUG", "GORACE", "GOTRACEBACK", "GOMAXPROCS", "GOMEMLIMIT"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	env = append(env,
		"APP_ENV=development",
		"DRAIN_DELAY=0s",
		"JWT_SECRET="+s.Secrets.JWT,
		"LOG_HASH_KEY="+s.Secrets.LogHash,
		"REDIS_URL="+s.RedisURL,
	)
	if s.throwaway != nil {
		return append(env, throwawayEnv...)
	}
	return append(env, persistentEnv...)
}

// backendEnv returns the environment of a backend that listens on api and ops.
func (s *Stack) backendEnv(api, ops string, override []string) []string {
	return mergeEnv(s.sharedEnv(), []string{
		"BACKEND_ADDR=" + api,
		"BACKEND_OPS_ADDR=" + ops,
		"DATABASE_URL=" + s.AppURL,
		"MIGRATE_DATABASE_URL=" + s.OwnerURL,
		"MAINT_DATABASE_URL=" + s.MaintURL,
		"CURSOR_ENCRYPTION_KEY=" + s.Secrets.CursorKey,
		"TENANT_DB_KEY=" + s.Secrets.TenantKey,
		"TENANT_DB_ON_MAIN_SERVER=allow", // there is one server
		"TENANT_DB_LOCAL_NETWORKS=127.0.0.0/8,::1/128",
	}, override)
}

// commandEnv returns the environment of the backend's commands.
func (s *Stack) commandEnv(override []string) []string {
	return mergeEnv(s.backendEnv("127.0.0.1:0", "127.0.0.1:0", nil), []string{
		"BOOTSTRAP_DATABASE_URL=" + s.AdminURL,
		"BOOTSTRAP_OPERATOR_EMAIL=" + OperatorEmail,
		"BOOTSTRAP_OPERATOR_PASSWORD=" + s.Secrets.OperatorPassword,
		"SEED_DEMO_PASSWORD=" + s.Secrets.DemoPassword,
	}, override)
}

// gatewayEnv returns the environment of a gateway in front of backends.
func (s *Stack) gatewayEnv(tls, plain, ops string, backends, override []string) []string {
	return mergeEnv(s.sharedEnv(), []string{
		"GATEWAY_TLS_ADDR=" + tls,
		"GATEWAY_HTTP_ADDR=" + plain,
		"GATEWAY_OPS_ADDR=" + ops,
		"TLS_CERT_FILE=" + s.CertFile,
		"TLS_KEY_FILE=" + s.certificate.keyFile,
		"BACKENDS=" + strings.Join(backends, ","),
		fmt.Sprintf("RATE_LIMIT_FLEET_SIZE=%d", max(1, len(s.Gateways))),
		"RATE_LIMIT_FILE=" + s.LimitsFile,
	}, override)
}

// wideLimits are limits that no test meets by accident.
func wideLimits() string {
	policies := func(names []string) string {
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf(`%q: {"limit": "600000/1m,100000"}`, name))
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
	var plans []string
	for _, plan := range limit.Plans() {
		plans = append(plans, fmt.Sprintf(`%q: %s`, plan, policies(limit.CallerPolicies())))
	}
	return fmt.Sprintf(`{"address": %s, "in_flight": {"free": "none", "standard": "none", "premium": "none"}, "plans": {%s}}`+"\n", policies(limit.AddressPolicies()), strings.Join(plans, ", "))
}

// writeLimits writes the gateways' file of limits. Without limits there is none
// for a stack that survives: it has the built-in ones.
func (s *Stack) writeLimits() error {
	text := s.options.Limits
	if text == "" {
		if s.throwaway == nil {
			return nil
		}
		text = wideLimits()
	}
	s.LimitsFile = filepath.Join(s.dir, "limits.json")
	return writeFile(s.LimitsFile, []byte(text), 0o644)
}

// mergeEnv joins lists of NAME=value. A later value replaces an earlier one,
// and so does a NAME_FILE the NAME and a NAME the NAME_FILE.
func mergeEnv(lists ...[]string) []string {
	var merged []string
	for _, pair := range slices.Concat(lists...) {
		name, _, _ := strings.Cut(pair, "=")
		other := name + "_FILE"
		if short, ok := strings.CutSuffix(name, "_FILE"); ok {
			other = short
		}
		merged = slices.DeleteFunc(merged, func(old string) bool {
			had, _, _ := strings.Cut(old, "=")
			return had == name || had == other
		})
		merged = append(merged, pair)
	}
	return merged
}

// as returns a connection string like admin's for another user.
func as(admin *url.URL, user, password string) string {
	u := *admin
	u.User = url.UserPassword(user, password)
	return u.String()
}
