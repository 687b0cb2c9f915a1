package e2e

import (
	"testing"

	"gatehouse/internal/stack"
)

// The same with a Redis Cluster whose masters go one after the other.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	cluster, err := stack.StartRedisCluster(t.Context(), stack.RedisClusterOptions{Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cluster.Output())
		}
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	// One of the masters has the buckets, one the feed.
	var faults []redisFault
	for i, master := range cluster.Masters {
		if i%2 == 0 {
			faults = append(faults, redisFault{"is killed", master.Kill, func() error { return master.Start(t.Context()) }})
		} else {
			faults = append(faults, redisFault{"hangs", master.Pause, master.Resume})
		}
	}
	throughFaults(t, cluster.URL(), faults)
}
