package token_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

func ExampleKeyring() {
	keyring := token.NewKeyring(token.Config{
		Secret:   "pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeUaT5o",
		Issuer:   "gatehouse",
		Audience: "gatehouse",
	}, time.Now)

	signed, err := keyring.Sign(token.Claims{
		UserID:   uuid.New(),
		Tenant:   "tenant1",
		Username: "ana",
		Session:  uuid.New(),
		Role:     token.Member,
	}, 15*time.Minute)
	if err != nil {
		panic(err)
	}

	claims, err := keyring.Verify(signed)
	fmt.Println(claims.Tenant, claims.Username, claims.Role, err)

	_, err = keyring.Verify(signed + "x")
	fmt.Println(token.KindOf(err))
	// Output:
	// tenant1 ana member <nil>
	// bad_signature
}

func ExampleFromBearer() {
	fmt.Println(token.FromBearer("Bearer abc.def.ghi"))
	fmt.Println(token.FromBearer("Basic YW5hOnNlY3JldA=="))
	// Output:
	// abc.def.ghi true
	//  false
}

func ExampleRotate() {
	made := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	active, err := token.GenerateKey(token.EdDSA, made)
	if err != nil {
		panic(err)
	}
	keys, err := token.BeginKeys(active, token.EdDSA, made)
	if err != nil {
		panic(err)
	}

	_, err = token.Rotate(keys, "", time.Minute, made.Add(20*time.Second))
	fmt.Println(err)

	keys, err = token.Rotate(keys, "", time.Minute, made.Add(time.Hour))
	for _, k := range keys {
		fmt.Println(k.State, k.Algorithm)
	}
	fmt.Println(err)
	// Output:
	// the next key is 20s old; it may sign when every process knows it, after 1m0s (come back in 40s)
	// retiring EdDSA
	// active EdDSA
	// next EdDSA
	// <nil>
}
