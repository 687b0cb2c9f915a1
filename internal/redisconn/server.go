package redisconn

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// limits are those of one client. The library's own timeouts and retries let a
// call to an absent Redis take seconds.
type limits struct {
	dial  time.Duration // of a connection, its greeting aside
	io    time.Duration // of writing a command and of reading its answer, for callers without a deadline
	pool  time.Duration // waiting for a free connection
	conns int           // 0: what the URL says
}

// requestLimits are those of calls that a request waits for.
func requestLimits(timeout time.Duration) limits {
	return limits{
		// Never shorter than what others may wait.
		dial: max(100*time.Millisecond, timeout),
		io:   max(50*time.Millisecond, timeout),
		pool: timeout,
	}
}

// followLimits are those of [Client.Follow].
var followLimits = limits{dial: time.Second, io: time.Second, pool: time.Second, conns: 4}

// open returns a client of the source. Each server that it talks to gets a
// breaker of g, or none when g is nil.
func (s source) open(l limits, g *guard) redis.UniversalClient {
	switch {
	case s.cluster != nil:
		return openCluster(*s.cluster, l, g)
	case s.sentinel != nil:
		return openSentinel(*s.sentinel, l, g)
	}
	return openServer(*s.server, l, g)
}

// protocol is RESP 2: nothing here needs what servers push by RESP 3, for which the
// library looks before each answer.
const protocol = 2

func openServer(o redis.Options, l limits, g *guard) *redis.Client {
	o.MaxRetries = -1 // 0 would mean 3
	o.Protocol = protocol
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = l.dial, l.io, l.io, l.pool
	o.ContextTimeoutEnabled = true
	o.PipelinePoolSize = -1 // one pool, for which one probe can speak
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if l.conns > 0 {
		o.PoolSize, o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns = l.conns, 0, 0, 0
	}
	client := redis.NewClient(&o)
	g.add("", client, nil)
	return client
}

func openSentinel(o redis.FailoverOptions, l limits, g *guard) *redis.Client {
	o.MaxRetries = -1
	o.Protocol = protocol
	o.DialerRetries = 1
	// To dial is to ask a Sentinel first. One that hangs is asked twice before
	// the others are, within one dial, and only if that has not run out of time.
	o.DialTimeout = l.dial + 3*l.io
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = l.io, l.io, l.pool
	o.ContextTimeoutEnabled = true
	o.PipelinePoolSize = -1
	if l.conns > 0 {
		o.PoolSize = l.conns
	}
	client := redis.NewFailoverClient(&o)
	g.add("", client, nil)
	return client
}

func openCluster(o redis.ClusterOptions, l limits, g *guard) *redis.ClusterClient {
	// The library appends the servers that it learns of to the very slice: two
	// clients of one source would write to the same place.
	o.Addrs = slices.Clone(o.Addrs)
	// One attempt more, which a MOVED or ASK needs; node lets nothing else have
	// it.
	o.MaxRedirects = 1
	o.MaxRetries, o.MinRetryBackoff = -1, -1
	o.Protocol = protocol
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = l.dial, l.io, l.io, l.pool
	o.ContextTimeoutEnabled = true
	o.PipelinePoolSize = -1
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The library would ask a server for its list of commands, within five
	// seconds of its own choice, whatever the request's context says.
	o.DisableRoutingPolicies = true
	if l.conns > 0 {
		o.PoolSize = l.conns
	}
	var cluster *redis.ClusterClient
	// Of a server that does not answer the library learns the successor only
	// from another's MOVED or after a minute.
	reload := func() { cluster.ReloadState(context.Background()) }
	o.NewClient = func(o *redis.Options) *redis.Client {
		client := redis.NewClient(o)
		g.add(o.Addr, client, reload)
		client.AddHook(node{reload})
		return client
	}
	cluster = redis.NewClusterClient(&o)
	cluster.AddHook(unwrap{})
	return cluster
}
