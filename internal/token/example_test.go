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
