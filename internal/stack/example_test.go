package stack_test

import (
	"context"
	"fmt"
	"log"

	"gatehouse/internal/stack"
)

// A test of two gateways before two backends.
func ExampleStart() {
	ctx := context.Background()
	s, err := stack.Start(ctx, stack.Options{
		Gateways: 2, Backends: 2,
		Limits: `{"plans": {"standard": {"user": {"limit": "60/1m,10"}}}}`,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send requests to", s.Gateways[0].HTTPS, "and", s.Gateways[1].HTTPS)
	err = s.Redis.Pause()
	fmt.Println("send some while Redis hangs", err)
	err = s.Backends[0].Kill()
	fmt.Println("send some while a backend is gone", err)

	if err := s.Stop(ctx); err != nil {
		log.Fatal(err)
	}
}

// TestMain of a package that needs a PostgreSQL server.
func ExampleStartPostgres() {
	postgres, err := stack.StartPostgres(context.Background(), stack.PostgresOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("make databases through", postgres.AdminURL())
	if err := postgres.Close(); err != nil {
		log.Fatal(err)
	}
}

// A Redis for a limiter's tests, which have to pass on both kinds.
func ExampleStartRedis() {
	for _, embedded := range []bool{false, true} {
		redis, err := stack.StartRedis(context.Background(), stack.RedisOptions{Embedded: embedded})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("connect to", redis.URL())
		if err := redis.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
