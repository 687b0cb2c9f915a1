package main

import (
	"slices"
	"strings"
	"time"

	"gatehouse/internal/stack"
)

// owned are the settings that this program gives to the processes itself. All
// others, such as LOG_LEVEL, reach them from our own environment.
var owned = []string{
	"APP_ENV", "BACKENDS", "BACKEND_ADDR", "BACKEND_OPS_ADDR", "BOOTSTRAP_DATABASE_URL",
	"BOOTSTRAP_OPERATOR_EMAIL", "BOOTSTRAP_OPERATOR_PASSWORD", "DATABASE_URL", "GATEWAY_HTTP_ADDR",
	"GATEWAY_OPS_ADDR", "GATEWAY_TLS_ADDR", "MAINT_DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL",
	"SEED_DEMO_PASSWORD", "TLS_CERT", "TLS_CERT_FILE", "TLS_KEY", "TLS_KEY_FILE",
}

// options returns the stack that the environment asks for, with its state in
// dir.
func options(dir string, lookup func(string) (string, bool), environ []string) stack.Options {
	setting := func(name, fallback string) string {
		if value, ok := lookup(name); ok && value != "" {
			return value
		}
		return fallback
	}
	passed := passedOn(environ)
	return stack.Options{
		Dir:        dir,
		GatewayEnv: passed,
		BackendEnv: passed,
		Listen: stack.Listen{
			GatewayTLS:  setting("GATEWAY_TLS_ADDR", "127.0.0.1:8443"),
			GatewayHTTP: setting("GATEWAY_HTTP_ADDR", "127.0.0.1:8080"),
			GatewayOps:  setting("GATEWAY_OPS_ADDR", "127.0.0.1:9090"),
			BackendAPI:  setting("BACKEND_ADDR", "127.0.0.1:8081"),
			BackendOps:  setting("BACKEND_OPS_ADDR", "127.0.0.1:9091"),
		},
		// Long enough to see what clients get meanwhile.
		Revive:      5 * time.Second,
		DatabaseURL: setting("DATABASE_URL", ""),
		RedisURL:    setting("REDIS_URL", ""),
	}
}

// passedOn returns the part of our environment that the processes get.
func passedOn(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, value, _ := strings.Cut(pair, "=")
		return value == "" || slices.Contains(owned, name) || slices.Contains(owned, strings.TrimSuffix(name, "_FILE"))
	})
}
