package gateway_test

import (
	"fmt"

	"gatehouse/gateway"
	"gatehouse/internal/config"
)

// All mistakes of an environment are reported at once.
func ExampleConfig() {
	var c gateway.Config
	err := config.Load(&c, []string{
		"GATEWAY_TLS_ADDR=off",
		"GATEWAY_HTTP_ADDR=127.0.0.1:8080",
		"BACKENDS=127.0.0.1:8081",
		"RATE_LIMIT_FALLBACK=none",
	})
	fmt.Println(err)
	// Output:
	// 3 settings are wrong:
	//   RATE_LIMIT_FALLBACK is "none"; local, open or closed is wanted
	//   JWT_SECRET is missing, and nothing is in its place: JWT_KEYS_DIR, or JWT_JWKS of a gateway (a secret is made with: openssl rand -base64 48)
	//   REDIS_URL is missing; redis://host:port/db is wanted
}
