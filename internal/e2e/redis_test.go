package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// A server that Sentinels replace: every request is answered all the while, and
// soon the gateways share limits again.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	group, err := stack.StartRedisSentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(group.Output())
		}
		if err := group.Close(); err != nil {
			t.Error(err)
		}
	})
	master := group.Servers[0]
	throughFaults(t, group.URL(), []redisFault{
		{"is killed", master.Kill, func() error { return master.Start(t.Context()) }},
	})
	eventually(t, "the replica is the master", func() bool { return group.Master(t.Context()) == group.Servers[1] })
}

// A redisFault happens to a master, which another server then replaces, and is
// undone.
type redisFault struct {
	what       string
	make, undo func() error
}

// throughFaults runs two gateways over a Redis while faults happen to it.
func throughFaults(t *testing.T, redisURL string, faults []redisFault) {
	t.Helper()
	s := ownStack(t, stack.Options{
		Gateways: 2, RedisURL: redisURL,
		// A bucket that is not leased. By themselves, two gateways would admit five
		// requests each.
		Limits: limitsFile(nil, map[string]map[string]string{"standard": {"user": "1/1m,10"}}),
	})
	gateways := clients(t, s)
	operator := gateways[0].operatorOf(s)
	id, _, busy := gateways[0].newTenant(operator, "")
	gateways[0].do("PUT", "/api/v1/admin/tenants/"+id, operator, map[string]any{"name": id, "plan": "premium"}).want(200)
	for _, g := range gateways {
		eventually(t, "the plan is in force", func() bool {
			return g.do("GET", me, busy.Access, nil).quota("user") == "600000/60"
		})
	}
	sharing(t, gateways, "at the start")

	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	defer func() {
		stop()
		workers.Wait()
	}()
	for i := range gateways {
		g := newClient(t, s, i)
		workers.Go(func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				a, err := g.try("GET", me, busy.Access, nil)
				if err != nil {
					t.Errorf("gateway %d: %v", i+1, err)
				} else if a.StatusCode != http.StatusOK {
					t.Errorf("gateway %d: got %d: %s", i+1, a.StatusCode, a.body)
				}
				pause(ctx, 5*time.Millisecond)
			}
			t.Logf("gateway %d answered %d requests", i+1, n)
		})
	}
	for _, f := range faults {
		if err := f.make(); err != nil {
			t.Fatal(err)
		}
		sharing(t, gateways, "after a master "+f.what)
		for i, g := range s.Gateways {
			eventually(t, fmt.Sprintf("after a master %s gateway %d knows what it has missed", f.what, i+1), func() bool {
				return metric(t, g.Ops, "feed_staleness_seconds") < 2
			})
		}
		_, tokens := gateways[0].newUser()
		gateways[1].do("POST", "/api/v1/auth/logout", tokens.Access, nil).want(200)
		refusedEverywhere(t, gateways, "after a master "+f.what, tokens.Access)
		if err := f.undo(); err != nil {
			t.Fatal(err)
		}
		sharing(t, gateways, "with the master back that "+f.what)
	}
}

// sharing waits until the gateways share what a user may do: what one of them
// admits the other does not.
func sharing(t *testing.T, gateways []*client, when string) {
	t.Helper()
	eventually(t, when+" the gateways share limits", func() bool {
		_, tokens := gateways[0].newUser()
		admitted := make([]int, len(gateways))
		for i, g := range gateways {
			for range 12 {
				a := g.do("GET", me, tokens.Access, nil)
				switch a.StatusCode {
				case http.StatusOK:
					admitted[i]++
				case http.StatusTooManyRequests:
				default:
					t.Errorf("%s: got %d: %s", when, a.StatusCode, a.body)
				}
			}
		}
		return admitted[0] == 10 && admitted[1] == 0
	})
}
