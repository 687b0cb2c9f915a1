package stack

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	c, err := StartRedisCluster(t.Context(), RedisClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Output())
		}
	})
	dir, addr := c.group.throwaway.path, c.Masters[0].Addr()
	if want := "redis+cluster://:" + c.group.password + "@" + addr + "," + c.Masters[1].Addr() + "," + c.Masters[2].Addr(); c.URL() != want {
		t.Errorf("the URL is %s, want %s", c.URL(), want)
	}

	// {b} has slot 3300, {a} has 15495 and {c} has 7365.
	owners := map[string]*Redis{"{b}": c.Masters[0], "{c}": c.Masters[1], "{a}": c.Masters[2]}
	write := func(key string) error {
		return owners[key].want(t.Context(), "SET", key, "1")
	}
	for key := range owners {
		if err := write(key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := c.Masters[0].command(t.Context(), "GET", "{a}"); err == nil || !strings.HasPrefix(err.Error(), "MOVED 15495 "+c.Masters[2].Addr()) {
		t.Errorf("for the slot of another node: %v", err)
	}

	if err := c.Masters[0].Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the others know", func() bool {
		info, err := c.Masters[1].command(t.Context(), "CLUSTER", "INFO")
		return err == nil && strings.Contains(info, "cluster_slots_fail:5461\r\n")
	})
	for _, key := range []string{"{a}", "{c}"} {
		if err := write(key); err != nil {
			t.Errorf("%s while another node is gone: %v", key, err)
		}
	}
	if err := c.Masters[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "the node has its slots again", func() bool { return write("{b}") == nil })

	if err := c.Masters[1].Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Error("a closed cluster accepts a connection")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left behind", dir)
	}
}

func TestRedisClusterReplacesAMaster(t *testing.T) {
	t.Parallel()
	c, err := StartRedisCluster(t.Context(), RedisClusterOptions{Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Output())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Masters[0].Kill(); err != nil {
		t.Fatal(err)
	}
	replica := c.Replicas[0][0]
	wait(t, "the replica is a master", func() bool { return replica.want(t.Context(), "SET", "{b}", "1") == nil })
}

func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	s, err := StartRedisSentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Output())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if tail := "/gatehouse/0?sentinel_password=" + s.group.password; !strings.HasPrefix(s.URL(), "redis+sentinel://:") || !strings.HasSuffix(s.URL(), tail) {
		t.Errorf("the URL is %s", s.URL())
	}
	first, second := s.Servers[0], s.Servers[1]
	if s.Master(t.Context()) != first {
		t.Error("the first server is not the master")
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the replica is the master", func() bool {
		return s.Master(t.Context()) == second && second.want(t.Context(), "SET", "k", "v") == nil
	})
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "the first server follows the second", func() bool {
		answer, err := first.command(t.Context(), "GET", "k")
		return err == nil && answer == "v"
	})
}

// wait waits until ok returns true, a minute at most: a vote among servers may
// fail, and is held again after some seconds.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	err := await(t.Context(), time.Minute, func() string {
		if ok() {
			return ""
		}
		return what
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRedisGroupsNeedARealServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, cluster := StartRedisCluster(context.Background(), RedisClusterOptions{})
	_, sentinel := StartRedisSentinel(context.Background())
	for _, err := range []error{cluster, sentinel} {
		if err == nil || !strings.Contains(err.Error(), "redis-server") || !strings.Contains(err.Error(), "run `") {
			t.Errorf("without a redis-server: %v", err)
		}
	}
}

// A server that is started may fail; nothing of the group is left then.
func TestRedisGroupIsAllOrNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for name, start := range map[string]func() error{
		"cluster":  func() error { _, err := StartRedisCluster(ctx, RedisClusterOptions{}); return err },
		"sentinel": func() error { _, err := StartRedisSentinel(ctx); return err },
	} {
		if err := start(); err == nil {
			t.Errorf("%s: started although there is no time", name)
		}
	}
}
