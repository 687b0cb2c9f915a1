package e2e

import (
	"crypto/rand"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// A contact counts up through two gateways and all backends, whose answers are
// cached. No read that begins after a write was answered sees what was before it,
// as one contact or in a list.
func TestNoStaleRead(t *testing.T) {
	t.Parallel()
	writer := newClient(t, shared, 0)
	_, tokens := writer.newUser()
	name := "Stale " + rand.Text()
	body := contactBody()
	body["age"], body["name"] = 0, name
	var made struct{ ID string }
	writer.do("POST", "/api/v1/address-book", tokens.Access, body).want(201).into(&made)
	path := "/api/v1/address-book/" + made.ID
	list := "/api/v1/address-book?sort=-created_at&name=" + url.QueryEscape(name)

	var acked atomic.Int32
	done := make(chan struct{})
	var reading sync.WaitGroup
	for i := range 4 {
		reader := newClient(t, shared, i%2)
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				before := acked.Load()
				var one struct{ Age int32 }
				page := []struct{ Age int32 }{{}}
				if i < 2 {
					reader.do("GET", path, tokens.Access, nil).want(200).into(&one)
				} else {
					reader.do("GET", list, tokens.Access, nil).want(200).into(&page)
					one = page[0]
				}
				if one.Age < before {
					t.Errorf("a read sees %d after %d was answered", one.Age, before)
				}
			}
		})
	}
	for n := range 100 {
		body["age"] = n
		writer.do("PUT", path, tokens.Access, body).want(200)
		acked.Store(int32(n))
	}
	close(done)
	reading.Wait()
}
