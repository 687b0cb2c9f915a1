package redisconn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// fakeNode is a cluster of one server, whose answers a test decides.
type fakeNode struct {
	*miniredis.Miniredis

	mu    sync.Mutex
	seen  map[string]int // commands by name
	state string         // the cluster's
	reply func(c *server.Peer)
}

// newFakeNode starts a server that counts what it is asked, and answers a GET
// as reply does, if it is not nil.
func newFakeNode(t *testing.T, reply func(c *server.Peer)) *fakeNode {
	t.Helper()
	f := &fakeNode{Miniredis: miniredis.RunT(t), seen: map[string]int{}, state: "ok", reply: reply}
	f.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		name := strings.ToUpper(cmd)
		f.seen[name]++
		switch {
		case name == "GET" && f.reply != nil:
			f.reply(c)
		case name == "ASKING":
			c.WriteOK()
		case name == "CLUSTER" && strings.EqualFold(args[0], "INFO"):
			c.WriteBulk("cluster_state:" + f.state + "\r\n")
		default:
			return false
		}
		return true
	})
	return f
}

func (f *fakeNode) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[name]
}

func (f *fakeNode) cluster() string { return "redis+cluster://" + f.Addr() }

// TestAClusterIsAskedOnce: the library would send a script a second time
// although the first one may have run, and wait with it for a cluster that is
// down.
func TestAClusterIsAskedOnce(t *testing.T) {
	t.Parallel()
	saying := func(message string) func(*server.Peer) {
		return func(c *server.Peer) { c.WriteError(message) }
	}
	for name, x := range map[string]struct {
		reply func(*server.Peer)
		want  func(error) bool
	}{
		"a broken connection": {func(c *server.Peer) { c.Close() }, func(err error) bool { return strings.Contains(err.Error(), "EOF") }},
		"a cluster down":      {saying("CLUSTERDOWN Hash slot not served"), redis.IsClusterDownError},
		"try again":           {saying("TRYAGAIN Multiple keys request during rehashing of slot"), redis.IsTryAgainError},
		"loading":             {saying("LOADING Redis is loading the dataset in memory"), redis.IsLoadingError},
		"read only":           {saying("READONLY You can't write against a read only replica."), redis.IsReadOnlyError},
		"too many clients":    {saying("ERR max number of clients reached"), redis.IsMaxClientsError},
		"nothing":             {(*server.Peer).WriteNull, isAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeNode(t, x.reply)
			c := open(t, f.cluster(), &lines{})
			for range 2 {
				if err := ask(t, c); err == nil || !x.want(err) {
					t.Errorf("got %v", err)
				}
			}
			if n := f.count("GET"); n != 2 {
				t.Errorf("the server got %d commands for two calls", n)
			}
			if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Errorf("after that: %v", err)
			}
			if n := f.count("COMMAND"); n != 0 {
				t.Errorf("the server was asked %d times for its list of commands", n)
			}
		})
	}
}

func TestAClusterIsFollowed(t *testing.T) {
	t.Parallel()
	owner := newFakeNode(t, nil)
	if err := owner.Set("key", "value"); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"MOVED", "ASK"} {
		f := newFakeNode(t, func(c *server.Peer) { c.WriteError(word + " 12539 " + owner.Addr()) })
		c := open(t, f.cluster(), &lines{})
		before := owner.count("GET")
		if err := ask(t, c); err != nil {
			t.Errorf("%s: %v", word, err)
		}
		if theirs, its := f.count("GET"), owner.count("GET")-before; theirs != 1 || its != 1 {
			t.Errorf("%s: the server got %d commands and the owner %d, want 1 each", word, theirs, its)
		}
		cmds, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error { p.Get(t.Context(), "key"); return nil })
		if err != nil || cmds[0].(*redis.StringCmd).Val() != "value" {
			t.Errorf("%s of a pipeline: %v, %v", word, cmds, err)
		}
	}
}

// TestAddressesAreTheClientsOwn: the clients of one source learn of servers at
// the same time.
func TestAddressesAreTheClientsOwn(t *testing.T) {
	t.Parallel()
	owner := newFakeNode(t, nil)
	f := newFakeNode(t, func(c *server.Peer) { c.WriteError("MOVED 12539 " + owner.Addr()) })
	addrs := append(make([]string, 0, 4), f.Addr())
	c := openCluster(redis.ClusterOptions{Addrs: addrs}, followLimits, nil)
	defer c.Close()
	if err := c.Get(t.Context(), "key").Err(); !isAnswer(err) {
		t.Fatal(err)
	}
	if got := addrs[:2][1]; got != "" {
		t.Errorf("the client wrote %s into the addresses that it was given", got)
	}
}

// TestTwoServersThatSendToEachOther do not keep a request for ever.
func TestTwoServersThatSendToEachOther(t *testing.T) {
	t.Parallel()
	var a, b *fakeNode
	a = newFakeNode(t, func(c *server.Peer) { c.WriteError("MOVED 12539 " + b.Addr()) })
	b = newFakeNode(t, func(c *server.Peer) { c.WriteError("MOVED 12539 " + a.Addr()) })
	c := open(t, a.cluster(), &lines{})
	if err := ask(t, c); err == nil || !strings.HasPrefix(err.Error(), "MOVED") {
		t.Errorf("got %v", err)
	}
	if n, m := a.count("GET"), b.count("GET"); n+m != 2 {
		t.Errorf("the servers got %d and %d commands, want two in all", n, m)
	}
}

// TestLackOfTimeIsNotTheServersFault: in a cluster another server may have used
// it up.
func TestLackOfTimeIsNotTheServersFault(t *testing.T) {
	t.Parallel()
	f := newFakeNode(t, nil)
	c := open(t, f.cluster(), &lines{})
	until(t, c, "before", isAnswer)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for range 2 * tripAfter {
		if err := c.Get(late, "key").Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		_, err := c.Pipelined(late, func(p redis.Pipeliner) error { p.Get(late, "key"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a pipeline: got %v", err)
		}
	}
	if err := ask(t, c); !isAnswer(err) {
		t.Errorf("after that: %v", err)
	}
}

// TestABrokenMemberOfTheListIsPassedOver, and none of the others is blamed.
func TestABrokenMemberOfTheListIsPassedOver(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{"refused": freeAddr(t), "hung": newMute(t).ln.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Which of them is asked first is a matter of luck: of ten clients one
			// or another asks the broken one.
			for range 10 {
				f := newFakeNode(t, nil)
				log := &lines{}
				c := open(t, "redis+cluster://"+broken+","+f.Addr(), log)
				until(t, c, "with a broken member", isAnswer)
				if err := c.Check(t.Context()); err != nil {
					t.Errorf("Check: %v", err)
				}
				if strings.Contains(log.String(), "node="+f.Addr()) {
					t.Errorf("a server that answers is blamed:\n%s", log)
				}
			}
		})
	}
}

// TestCheckOfACluster: a server of a cluster that is down answers a PING.
func TestCheckOfACluster(t *testing.T) {
	t.Parallel()
	f := newFakeNode(t, nil)
	f.state = "fail"
	c := open(t, f.cluster(), &lines{})
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), f.Addr()+": the cluster is down") {
		t.Errorf("got %v, want the server and that the cluster is down", err)
	}
	f.Close()
	until(t, c, "after the server stopped", isOpen)
	if err := c.Check(t.Context()); !isOpen(err) {
		t.Errorf("without the server: got %v", err)
	}
}

// TestClosedNodeIsNotProbed: the library drops the client of a server that has
// left the cluster.
func TestClosedNodeIsNotProbed(t *testing.T) {
	t.Parallel()
	g := newGuard((&lines{}).logger(), budget)
	client := openServer(redis.Options{Addr: freeAddr(t)}, requestLimits(budget), g)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	b := g.breakers[""]
	report(b, errSilence, errSilence, errSilence)
	b.wg.Wait() // for ever, if it went on
	if b.Allow() == nil {
		t.Error("a closed client is taken for a server that answers")
	}
	// A server that comes back gets a new client.
	client = openServer(redis.Options{Addr: freeAddr(t)}, requestLimits(budget), g)
	defer client.Close()
	b = g.breakers[""]
	report(b, errSilence, errSilence, errSilence)
	client = openServer(redis.Options{Addr: freeAddr(t)}, requestLimits(budget), g)
	defer client.Close()
	b.wg.Wait()
	if g.breakers[""] == b {
		t.Error("the breaker of the closed client is kept")
	}
	g.close()
}

// TestAHungServerDoesNotHideTheOthers: it may be the first that is asked for the
// slots, by a client that is patient otherwise.
func TestAHungServerDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	hung := newMute(t).ln.Addr().String()
	for range 10 {
		f := newFakeNode(t, nil)
		s, err := parse("redis+cluster://" + hung + "," + f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		c := s.open(limits{dial: patience, io: patience, pool: patience}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		if err := c.Get(ctx, "key").Err(); !isAnswer(err) {
			t.Errorf("got %v", err)
		}
		cancel()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
