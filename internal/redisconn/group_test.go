package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/internal/stack"
)

// Tests against real servers that know each other. What is asserted are
// outcomes and their numbers; times are only bounded.

// patience bounds how long servers may take to agree on something, and a client
// to notice, for which it is meant to need two seconds. It is less than the
// minute after which the library looks for a cluster's slots by itself.
const patience = 40 * time.Second

func startCluster(t *testing.T, o stack.RedisClusterOptions) *stack.RedisCluster {
	t.Helper()
	c, err := stack.StartRedisCluster(t.Context(), o)
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
	return c
}

func startSentinel(t *testing.T) *stack.RedisSentinel {
	t.Helper()
	s, err := stack.StartRedisSentinel(t.Context())
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
	return s
}

// Keys of the first, the second and the third master of three: their slots are
// 3300, 7365 and 15495.
var clusterKeys = []string{"{b}", "{c}", "{a}"}

// script writes, which a replica refuses.
var script = redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])`)

// write makes one request that only a master can answer, as the processes do.
func write(t *testing.T, c *Client, key string) error {
	t.Helper()
	ctx, cancel := c.Bound(t.Context())
	defer cancel()
	return shown(t, script.Run(ctx, c, []string{key}, "value").Err())
}

// follow is write through the second client.
func follow(t *testing.T, c *Client, key string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	return shown(t, script.Run(ctx, c.Follow(), []string{key}, "value").Err())
}

// soon repeats do until it returns what is wanted.
func soon(t *testing.T, what string, wanted func(error) bool, do func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := do()
		if wanted(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isDone(err error) bool { return err == nil }

// fail makes a fault, and undo ends it.
type fault struct {
	name       string
	make, undo func(*stack.Redis) error
}

var faults = []fault{
	{
		"killed", (*stack.Redis).Kill,
		func(r *stack.Redis) error { return r.Start(context.Background()) },
	},
	{"hung", (*stack.Redis).Pause, (*stack.Redis).Resume},
}

// TestANodeOfAClusterIsGone: the requests for its slots fail at once, all others
// are answered, and it is used again when it is back.
func TestANodeOfAClusterIsGone(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, stack.RedisClusterOptions{})
	log := &lines{}
	c := open(t, cluster.URL(), log)
	for _, key := range clusterKeys {
		if err := write(t, c, key); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if err := follow(t, c, key); err != nil {
			t.Errorf("%s, followed: %v", key, err)
		}
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	for i, f := range faults {
		gone, key := cluster.Masters[i], clusterKeys[i]
		if err := f.make(gone); err != nil {
			t.Fatal(err)
		}
		soon(t, f.name, isOpen, func() error { return write(t, c, key) })
		for range 100 {
			for _, k := range clusterKeys {
				if err := write(t, c, k); k == key && !isOpen(err) || k != key && err != nil {
					t.Errorf("%s: %s: %v", f.name, k, err)
				}
			}
		}
		if err := c.Check(t.Context()); !isOpen(err) || !strings.Contains(err.Error(), gone.Addr()) {
			t.Errorf("%s: Check: %v, want the server's address and %v", f.name, err, ErrOpen)
		}
		if err := follow(t, c, key); err == nil || isOpen(err) {
			t.Errorf("%s: followed: %v, want what is wrong with the server", f.name, err)
		}
		if err := follow(t, c, clusterKeys[2]); err != nil {
			t.Errorf("%s: another server, followed: %v", f.name, err)
		}
		if err := f.undo(gone); err != nil {
			t.Fatal(err)
		}
		soon(t, f.name+", and back", isDone, func() error { return write(t, c, key) })
		soon(t, f.name+", and back, followed", isDone, func() error { return follow(t, c, key) })
		soon(t, f.name+", and back: Check", isDone, func() error { return c.Check(t.Context()) })
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "level=WARN") && !strings.Contains(line, cluster.Masters[0].Addr()) && !strings.Contains(line, cluster.Masters[1].Addr()) {
			t.Errorf("a server that was never gone is blamed: %s", line)
		}
	}
}

// TestAReplicaTakesOver: the successor of a master is found without a request
// that some server answers.
func TestAReplicaTakesOver(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, stack.RedisClusterOptions{Replicas: 1})
	c := open(t, cluster.URL(), &lines{})
	if err := write(t, c, clusterKeys[0]); err != nil {
		t.Fatal(err)
	}
	if err := follow(t, c, clusterKeys[0]); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Masters[0].Kill(); err != nil {
		t.Fatal(err)
	}
	soon(t, "without the master", isOpen, func() error { return write(t, c, clusterKeys[0]) })
	soon(t, "with its successor", isDone, func() error { return write(t, c, clusterKeys[0]) })
	soon(t, "with its successor, followed", isDone, func() error { return follow(t, c, clusterKeys[0]) })
	soon(t, "Check", isDone, func() error { return c.Check(t.Context()) })
}

// TestSentinelsNameAnotherServer kills a master, then the next one hangs.
func TestSentinelsNameAnotherServer(t *testing.T) {
	t.Parallel()
	group := startSentinel(t)
	log := &lines{}
	c := open(t, group.URL(), log)
	if err := write(t, c, "key"); err != nil {
		t.Fatal(err)
	}
	if err := follow(t, c, "key"); err != nil {
		t.Fatal(err)
	}
	for i, f := range faults {
		master := group.Servers[i]
		other := group.Servers[1-i]
		isMaster(t, group, master)
		if err := f.make(master); err != nil {
			t.Fatal(err)
		}
		soon(t, f.name, isOpen, func() error { return write(t, c, "key") })
		// Until the Sentinels agree, no request waits for a server that is gone:
		// there is a refusal at once or, from the moment on when they have, an
		// answer.
		var outcomes []string
		soon(t, f.name+", and replaced", isDone, func() error {
			err := write(t, c, "key")
			if !isDone(err) && !isOpen(err) {
				outcomes = append(outcomes, err.Error())
			}
			return err
		})
		if len(outcomes) > tripAfter {
			t.Errorf("%s: %d requests met with %q", f.name, len(outcomes), outcomes)
		}
		soon(t, f.name+", and replaced, followed", isDone, func() error { return follow(t, c, "key") })
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("%s: Check: %v", f.name, err)
		}
		isMaster(t, group, other)
		if err := f.undo(master); err != nil {
			t.Fatal(err)
		}
		replicates(t, other)
		for range 100 {
			if err := write(t, c, "key"); err != nil {
				t.Fatalf("%s, with the old master back: %v", f.name, err)
			}
		}
	}
	text := log.String()
	if down, up := strings.Count(text, "level=WARN"), strings.Count(text, "answers again"); down != up || down < 2 {
		t.Errorf("%d lines say that Redis is gone and %d that it is back:\n%s", down, up, text)
	}
}

// isMaster waits until most Sentinels name the server.
func isMaster(t *testing.T, group *stack.RedisSentinel, server *stack.Redis) {
	t.Helper()
	soon(t, "the Sentinels agree", isDone, func() error {
		if group.Master(t.Context()) != server {
			return errors.New("another server is the master")
		}
		return nil
	})
}

// replicates waits until a master has a replica that is up to date.
func replicates(t *testing.T, master *stack.Redis) {
	t.Helper()
	admin := open(t, master.URL(), &lines{})
	soon(t, "the old master follows the new one", isDone, func() error {
		info, err := admin.Follow().Info(t.Context(), "replication").Result()
		if err == nil && !strings.Contains(info, "state=online") {
			err = errors.New("not yet")
		}
		return err
	})
}

// TestSentinelsHang: those that answer are asked, however many do not, and while
// there is a connection none of them is needed.
func TestSentinelsHang(t *testing.T) {
	t.Parallel()
	group := startSentinel(t)
	c := open(t, group.URL(), &lines{})
	admin := open(t, group.Servers[0].URL(), &lines{})
	// cut ends all connections of clients, so that they have to ask.
	cut := func() {
		t.Helper()
		if err := admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Error(err)
		}
	}
	if err := write(t, c, "key"); err != nil {
		t.Fatal(err)
	}
	// Whichever of them the client knows is among those that hang once.
	for i, answers := range group.Sentinels {
		for k, r := range group.Sentinels {
			if k != i {
				if err := r.Pause(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cut()
		soon(t, fmt.Sprintf("with %s only", answers.Addr()), isDone, func() error { return write(t, c, "key") })
		for k, r := range group.Sentinels {
			if k != i {
				if err := r.Resume(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, r := range group.Sentinels {
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if err := write(t, c, "key"); err != nil {
			t.Fatalf("without Sentinels: %v", err)
		}
	}
	cut()
	soon(t, "without Sentinels and connections", isOpen, func() error { return write(t, c, "key") })
	for _, r := range group.Sentinels {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, "with Sentinels again", isDone, func() error { return write(t, c, "key") })
}

// servers starts a real Redis of each kind, and returns their URLs along with
// the server that has the key {b}.
func servers(t *testing.T) map[string]struct {
	url    string
	server *stack.Redis
} {
	t.Helper()
	one, err := stack.StartRedis(t.Context(), stack.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = one.Close() })
	cluster, sentinel := startCluster(t, stack.RedisClusterOptions{}), startSentinel(t)
	return map[string]struct {
		url    string
		server *stack.Redis
	}{
		"one server": {one.URL(), one},
		"Cluster":    {cluster.URL(), cluster.Masters[0]},
		"Sentinel":   {sentinel.URL(), sentinel.Servers[0]},
	}
}

// TestRedisForgets: scripts and then all data are gone.
func TestRedisForgets(t *testing.T) {
	t.Parallel()
	for name, r := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, admin := open(t, r.url, &lines{}), open(t, r.server.URL(), &lines{})
			if err := c.HSet(t.Context(), "hash{b}", "field", "value").Err(); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := write(t, c, "{b}"); err != nil {
					t.Errorf("after a SCRIPT FLUSH: %v", err)
				}
				if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			// At once: no Sentinel may notice.
			if err := errors.Join(r.server.Kill(), r.server.Start(t.Context())); err != nil {
				t.Fatal(err)
			}
			soon(t, "after a restart", isDone, func() error { return write(t, c, "{b}") })
			if n, err := c.Exists(t.Context(), "hash{b}").Result(); n != 0 || err != nil {
				t.Errorf("after a restart: %d, %v, want that the data is gone", n, err)
			}
		})
	}
}

// TestFollowWaits: a command that blocks gets what comes meanwhile, while
// requests go on, and ends with its context when the server hangs.
func TestFollowWaits(t *testing.T) {
	t.Parallel()
	for name, r := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, r.url, &lines{})
			read := func(ctx context.Context, from string) ([]redis.XStream, error) {
				return c.Follow().XRead(ctx, &redis.XReadArgs{Streams: []string{"log{b}", from}, Block: 10 * time.Minute}).Result()
			}
			var wg sync.WaitGroup
			var got []redis.XStream
			var err error
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				got, err = read(ctx, "$")
			})
			// The reader may not be there yet: it sees only what comes later.
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			for {
				if err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: "log{b}", Values: []string{"k", "v"}}).Err(); err != nil {
					t.Fatal(err)
				}
				select {
				case <-done:
				case <-time.After(10 * time.Millisecond):
					continue
				}
				break
			}
			if err != nil || len(got) != 1 || len(got[0].Messages) == 0 {
				t.Errorf("got %v, %v", got, err)
			}
			if err := r.server.Pause(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if got, err := read(ctx, "0"); err == nil || isOpen(err) {
				t.Errorf("a hung server: got %v, %v", got, err)
			}
			if err := r.server.Resume(); err != nil {
				t.Fatal(err)
			}
			soon(t, "after the hang", isDone, func() error {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				defer cancel()
				_, err := read(ctx, "0")
				return err
			})
		})
	}
}

// TestCloseEndsEverythingOfAGroup: TestMain looks for what is left behind.
func TestCloseEndsEverythingOfAGroup(t *testing.T) {
	t.Parallel()
	hung := newMute(t).ln.Addr().String()
	for _, url := range []string{
		"redis+cluster://" + freeAddr(t) + "," + hung, "redis+sentinel://" + freeAddr(t) + "," + hung + "/mymaster",
	} {
		c := open(t, url, &lines{})
		for range 2 * tripAfter {
			if err := ask(t, c); err == nil || isAnswer(err) {
				t.Errorf("%s: got %v without a server", url, err)
			}
			if err := follow(t, c, "key"); err == nil || isOpen(err) {
				t.Errorf("%s: followed: got %v without a server", url, err)
			}
		}
		if err := c.Check(t.Context()); err == nil {
			t.Errorf("%s: Check finds nothing wrong", url)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{"a request": ask(t, c), "followed": follow(t, c, "key")} {
			if !slices.ContainsFunc([]error{redis.ErrClosed, ErrOpen}, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("%s: %s after the end: %v", url, name, err)
			}
		}
	}
}
