package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gatehouse/internal/config"
	"gatehouse/internal/goldentest"
)

// goodEnv is a complete production environment.
func goodEnv(t testing.TB) map[string]string {
	certFile, keyFile, _ := certificate(t)
	return map[string]string{
		"TLS_CERT_FILE": certFile,
		"TLS_KEY_FILE":  keyFile,
		"BACKENDS":      "10.0.0.1:8081,10.0.0.2:8081",
		"JWT_SECRET":    "vJ8r2LkQzX5wTn1yPbM7cUeHgS4dFaKo9RiV3xYq6tZ0",
		"REDIS_URL":     "redis://:hunter2@10.0.0.3:6379/0",
	}
}

func environ(vars map[string]string) (list []string) {
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return list
}

func TestConfig(t *testing.T) {
	t.Parallel()
	env := goodEnv(t)
	env["TRUSTED_PROXIES"] = "10.0.0.0/8,fd00::/8"
	env["RATE_LIMIT_KEYS"] = "5000"
	c, err := load(environ(env))
	if err != nil {
		t.Fatal(err)
	}
	if c.TLSAddr != ":8443" || c.servesHTTP() || len(c.Proxy.Backends) != 2 || len(c.Edge.TrustedProxies) != 2 ||
		c.Limits.Keys != 5000 || c.Limits.Fallback != "local" {
		t.Errorf("config = %+v", c)
	}
	summary := fmt.Sprint(config.Summary(&c))
	for _, secret := range []string{env["JWT_SECRET"], "hunter2"} {
		if strings.Contains(summary, secret) || strings.Contains(fmt.Sprintf("%+v", c), secret) {
			t.Errorf("a secret is shown: %s", summary)
		}
	}
	for _, want := range []string{"RATE_LIMIT_FALLBACK=local", "TRUSTED_PROXIES=[10.0.0.0/8 fd00::/8]", "JWT_SECRET=(secret)",
		"COMPAT_ALIAS=on", "COMPAT_SUNSET=2027-12-31"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %s: %s", want, summary)
		}
	}
}

func TestMistakesAreFoundAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load([]string{
		"APP_ENV=staging", "GATEWAY_TLS_ADDR=here", "GATEWAY_HTTP_ADDR=:99999", "GATEWAY_OPS_ADDR=off", "DRAIN_DELAY=-1s", "SHUTDOWN_TIMEOUT=1h",
		"OPENAPI_FILE=/nonexistent/openapi.yaml", "TRUSTED_PROXIES=10.0.0.1", "MAX_CONNECTIONS=0", "MAX_CONNECTIONS_PER_ADDRESS=many",
		"REQUEST_RECEIVE_TIMEOUT=1ms", "IDLE_TIMEOUT=5h", "TOKEN_CACHE_TOKENS=0", "CORS_ALLOWED_ORIGINS=*", "CORS_ALLOW_CREDENTIALS=true",
		"RATE_LIMIT_FILE=testdata/mistakes.txt", "RATE_LIMIT_FALLBACK=perhaps", "RATE_LIMIT_FLEET_SIZE=0", "RATE_LIMIT_KEYS=0",
		"BACKENDS=backend", "BACKEND_DIAL_TIMEOUT=0s", "BACKEND_MAX_CONNS=0", "JWT_SECRET=short", "JWT_ISSUER=", "JWT_JWKS=perhaps", "JWT_JWKS_BACKENDS=here", "JWT_KEYS_POLL=1ms", "REDIS_URL=http://x",
		"REDIS_TIMEOUT=1h", "ADMISSION=perhaps", "ADMISSION_MIN=0", "ADMISSION_MAX=-1", "LOG_FORMAT=xml", "LOG_LEVEL=loud", "LOG_HASH_KEY=short", "COMPAT_ALIAS=perhaps", "COMPAT_SUNSET=31.12.2027",
	})
	goldentest.Compare(t, "mistakes.txt", fmt.Sprintln(err))
	if strings.Contains(err.Error(), "=short") || strings.Contains(err.Error(), `"short"`) {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestProductionIsStrict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, variable, value string
		production, dev       string // the variables that are wrong
	}{
		{"a known example as secret", "JWT_SECRET", "change-me-change-me-change-me-change-me", "JWT_SECRET", ""},
		{"a repetitive secret", "JWT_SECRET", strings.Repeat("ab", 20), "JWT_SECRET", ""},
		{"a short secret", "JWT_SECRET", "tooshort", "JWT_SECRET", "JWT_SECRET"},
		{"no secret", "JWT_SECRET", "", "JWT_SECRET", "JWT_SECRET"},
		{"no Redis", "REDIS_URL", "", "REDIS_URL", "REDIS_URL"},
		{"no certificate", "TLS_CERT_FILE", "", "TLS_CERT_FILE", "TLS_CERT_FILE"},
		{"no key", "TLS_KEY_FILE", "", "TLS_KEY_FILE", "TLS_KEY_FILE"},
		{"a missing certificate", "TLS_CERT_FILE", "/nonexistent/cert", "TLS_CERT_FILE", "TLS_CERT_FILE"},
		{"a key that is none", "TLS_KEY_FILE", "config_test.go", "TLS_CERT_FILE", "TLS_CERT_FILE"},
		{"no listener", "GATEWAY_TLS_ADDR", "off", "GATEWAY_TLS_ADDR", "GATEWAY_TLS_ADDR"},
		{"no backends", "BACKENDS", "", "BACKENDS", "BACKENDS"},
		{"a broken document", "OPENAPI_FILE", "internal/route/testdata/mistakes.yaml", "OPENAPI_FILE", "OPENAPI_FILE"},
		{"a good document", "OPENAPI_FILE", "testdata/openapi.yaml", "", ""},
	} {
		for appEnv, want := range map[string]string{config.Production: c.production, config.Development: c.dev} {
			env := goodEnv(t)
			env["APP_ENV"], env[c.variable] = appEnv, c.value
			got := ""
			var mistakes *config.Mistakes
			if _, err := load(environ(env)); errors.As(err, &mistakes) {
				got = strings.Join(mistakes.Names(), " ")
			}
			if got != want {
				t.Errorf("%s in %s: wrong are %q, want %q", c.name, appEnv, got, want)
			}
		}
	}
	env := goodEnv(t)
	env["GATEWAY_TLS_ADDR"], env["GATEWAY_HTTP_ADDR"] = "off", "127.0.0.1:0"
	delete(env, "TLS_CERT_FILE")
	delete(env, "TLS_KEY_FILE")
	if _, err := load(environ(env)); err != nil {
		t.Errorf("a plain listener that was asked for: %v", err)
	}
}

// TestEverySettingIsDocumented also holds that no two settings share a Go name,
// by which a mistake in one would be reported for the other.
func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	var c Config
	seen := map[string]bool{}
	for _, f := range config.Fields(&c) {
		if f.Doc == "" || strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: doc = %q; a sentence without its full stop is wanted", f.Name, f.Doc)
		}
		if seen[f.Name] {
			t.Errorf("%s is declared twice", f.Name)
		}
		seen[f.Name] = true
		if f.Secret && f.Default != "" {
			t.Errorf("%s is a secret with a default", f.Name)
		}
	}
}
