package feed

import (
	"context"
	"slices"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		servers, err := stack.StartRedisSentinel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = servers.Close() })
		failover(newRigOf(t, servers.URL()), func(ctx context.Context) *stack.Redis { return servers.Master(ctx) })
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		servers, err := stack.StartRedisCluster(t.Context(), stack.RedisClusterOptions{Replicas: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = servers.Close() })
		r := newRigOf(t, servers.URL())
		slot, err := r.ClusterKeySlot(t.Context(), logKey).Result()
		r.must(err)
		failover(r, func(ctx context.Context) *stack.Redis {
			slots, err := r.ClusterSlots(ctx).Result()
			r.must(err)
			for _, s := range slots {
				if int64(s.Start) <= slot && slot <= int64(s.End) {
					for _, one := range slices.Concat(servers.Masters, slices.Concat(servers.Replicas...)) {
						if one.Addr() == s.Nodes[0].Addr {
							return one
						}
					}
				}
			}
			return nil
		})
	})
}

// failover kills the server that has the feed.
func failover(r *rig, master func(context.Context) *stack.Redis) {
	p := r.publishing()
	f := r.following()
	told := r.db.commit(append(revoked(100), state("acme", 1))...)
	p.Publish(r.t.Context(), told...)
	f.hears(told...)

	old := master(r.t.Context())
	if old == nil {
		r.t.Fatal("no server has the feed")
	}
	// Its replica need not have heard of this.
	last := r.db.commit(append(revoked(1), state("acme", 2))...)
	p.Publish(r.t.Context(), last...)
	r.must(old.Kill())
	meanwhile := r.db.commit(append(revoked(3), state("acme", 3))...)
	p.Publish(r.t.Context(), meanwhile...)
	killed := time.Now()
	f.hears(meanwhile...)
	r.t.Logf("heard %v after the master had been killed", time.Since(killed))
	f.catchesUp()
	late := r.following()
	late.hears(slices.Concat(told[:100], last[:1], meanwhile)...)

	// And on it goes.
	event := revoked(1)
	p.Publish(r.t.Context(), event...)
	f.hears(event...)
}
