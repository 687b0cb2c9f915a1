package revocation_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/feed"
	"gatehouse/internal/revocation"
)

// What a gateway does with what it reads from the feed.
func ExampleSet() {
	set := revocation.NewSet(0, time.Now)
	apply := func(items []feed.Item) {
		for _, item := range items {
			if session, expires, ok := revocation.Parse(item); ok {
				set.Add(session, expires)
			}
		}
	}

	session := uuid.New()
	fmt.Println(set.Revoked(session))
	apply([]feed.Item{revocation.Item(session, time.Now().Add(time.Hour))})
	fmt.Println(set.Revoked(session))
	// Output:
	// false
	// true
}
