package stack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// RedisClusterOptions says what [StartRedisCluster] starts.
type RedisClusterOptions struct {
	// Masters is how many servers share the slots, in equal parts; 0 means 3.
	Masters int
	// Replicas is how many servers follow each of them. With one, a cluster of
	// at least three masters replaces a master that is gone within some
	// seconds.
	Replicas int
}

// A RedisCluster is a private Redis Cluster of real servers on loopback ports,
// with a password and without persistence. While a master is gone, the others
// go on serving their slots; a server that is started again joins it, empty.
type RedisCluster struct {
	Masters []*Redis
	// Replicas holds those of each master.
	Replicas [][]*Redis

	group *redisGroup
}

// StartRedisCluster starts a private cluster and waits until it serves all
// slots. It needs an installed redis-server or valkey-server, 7.0 or newer.
func StartRedisCluster(ctx context.Context, o RedisClusterOptions) (_ *RedisCluster, err error) {
	if o.Masters == 0 {
		o.Masters = 3
	}
	group, err := newRedisGroup(ctx)
	if err != nil {
		return nil, err
	}
	c := &RedisCluster{group: group, Masters: make([]*Redis, o.Masters), Replicas: make([][]*Redis, o.Masters)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	start, startCtx := errgroup.WithContext(ctx)
	for i := range c.Masters {
		c.Replicas[i] = make([]*Redis, o.Replicas)
		start.Go(func() (err error) {
			c.Masters[i], err = c.node(startCtx, fmt.Sprintf("redis-%d", i+1))
			return err
		})
		for k := range c.Replicas[i] {
			start.Go(func() (err error) {
				c.Replicas[i][k], err = c.node(startCtx, fmt.Sprintf("redis-%d-replica-%d", i+1, k+1))
				return err
			})
		}
	}
	if err := start.Wait(); err != nil {
		return nil, err
	}
	if err := c.join(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// clusterNodeTimeout is after how many milliseconds of silence the nodes of a
// cluster take another for dead. A busy machine must not be enough.
const clusterNodeTimeout = 2000

func (c *RedisCluster) node(ctx context.Context, name string) (*Redis, error) {
	return c.group.server(ctx, name, func(r *Redis) (lines []string, err error) {
		if r.bus, err = ReservePort(); err != nil {
			return nil, err
		}
		return []string{
			"cluster-enabled yes",
			"cluster-port " + strconv.Itoa(r.bus.Number),
			"cluster-config-file nodes.conf",
			"cluster-node-timeout " + strconv.Itoa(clusterNodeTimeout),
			"cluster-require-full-coverage no",
			"cluster-replica-validity-factor 0",
			"masterauth " + r.password,
			"repl-diskless-sync yes",
			"repl-diskless-sync-delay 0",
		}, nil
	})
}

// all returns every node.
func (c *RedisCluster) all() []*Redis {
	nodes := append([]*Redis(nil), c.Masters...)
	for _, replicas := range c.Replicas {
		nodes = append(nodes, replicas...)
	}
	return nodes
}

// join makes a cluster of nodes that do not know each other.
func (c *RedisCluster) join(ctx context.Context) error {
	const slots = 16384
	n := len(c.Masters)
	for i, master := range c.Masters {
		// Otherwise they would have to find out whose word counts.
		if err := master.want(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		first, last := i*slots/n, (i+1)*slots/n-1
		if err := master.want(ctx, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return err
		}
	}
	nodes := c.all()
	hub := nodes[0]
	for _, r := range nodes[1:] {
		err := r.want(ctx, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(hub.port.Number), strconv.Itoa(hub.bus.Number))
		if err != nil {
			return err
		}
	}
	const patience = 30 * time.Second
	if err := await(ctx, patience, func() string { return c.unready(ctx, "cluster_known_nodes:"+strconv.Itoa(len(nodes))) }); err != nil {
		return err
	}
	for i, master := range c.Masters {
		id, err := master.command(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		for _, replica := range c.Replicas[i] {
			if err := replica.want(ctx, "CLUSTER", "REPLICATE", id); err != nil {
				return err
			}
		}
	}
	return await(ctx, patience, func() string {
		for _, replicas := range c.Replicas {
			for _, r := range replicas {
				if info, err := r.command(ctx, "INFO", "replication"); err != nil || !strings.Contains(info, "master_link_status:up") {
					return r.Addr() + " follows its master"
				}
			}
		}
		return c.unready(ctx, "cluster_size:"+strconv.Itoa(n))
	})
}

// unready returns what is missing until every node knows of all slots, and says
// what is wanted besides.
func (c *RedisCluster) unready(ctx context.Context, wanted string) string {
	for _, r := range c.all() {
		info, err := r.command(ctx, "CLUSTER", "INFO")
		if err != nil {
			return r.Addr() + " answers"
		}
		for _, want := range []string{"cluster_state:ok", "cluster_slots_ok:16384", wanted} {
			if !strings.Contains(info, want+"\r\n") {
				return r.Addr() + " says " + want
			}
		}
	}
	return ""
}

// URL returns the connection string, with the masters' addresses.
func (c *RedisCluster) URL() string { return c.group.url("redis+cluster", c.Masters, "") }

// Output returns what the nodes have written.
func (c *RedisCluster) Output() string { return c.group.output() }

// Close stops all nodes for good.
func (c *RedisCluster) Close() error { return c.group.close() }
