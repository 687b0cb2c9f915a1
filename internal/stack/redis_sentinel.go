package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// redisMaster is the name by which Sentinels know the server.
const redisMaster = "gatehouse"

// A RedisSentinel is a private Redis server with one replica and the three
// Sentinels that replace the one by the other when it is gone, on loopback
// ports, with a password and without persistence.
type RedisSentinel struct {
	// Servers are the first master and its replica. Which of them is the master
	// later, [RedisSentinel.Master] says.
	Servers   [2]*Redis
	Sentinels [3]*Redis

	group *redisGroup
}

// StartRedisSentinel starts the servers and waits until a failover is possible.
// It needs an installed redis-server or valkey-server, 7.0 or newer.
func StartRedisSentinel(ctx context.Context) (_ *RedisSentinel, err error) {
	group, err := newRedisGroup(ctx)
	if err != nil {
		return nil, err
	}
	s := &RedisSentinel{group: group}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for i := range s.Servers {
		s.Servers[i], err = group.server(ctx, fmt.Sprintf("redis-%d", i+1), func(r *Redis) ([]string, error) {
			lines := []string{"masterauth " + r.password, "repl-diskless-sync yes", "repl-diskless-sync-delay 0"}
			if i > 0 {
				lines = append(lines, "replicaof 127.0.0.1 "+strconv.Itoa(s.Servers[0].port.Number))
			}
			return lines, nil
		})
		if err != nil {
			return nil, err
		}
	}
	const patience = 30 * time.Second
	// A Sentinel looks for replicas when it first sees the master, and then not for a
	// while.
	err = await(ctx, patience, func() string {
		if info, err := s.Servers[0].command(ctx, "INFO", "replication"); err != nil || !strings.Contains(info, "state=online") {
			return "the replica follows the master"
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	for i := range s.Sentinels {
		if s.Sentinels[i], err = s.sentinel(ctx, fmt.Sprintf("sentinel-%d", i+1)); err != nil {
			return nil, err
		}
	}
	err = await(ctx, patience, func() string {
		for _, r := range s.Sentinels {
			if missing := sentinelLacks(ctx, r); missing != "" {
				return r.Addr() + " knows " + missing
			}
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *RedisSentinel) sentinel(ctx context.Context, name string) (*Redis, error) {
	r, dir, err := s.group.member(name)
	if err != nil {
		return nil, err
	}
	// A Sentinel keeps what it learns in its file of settings.
	file := filepath.Join(dir, "sentinel.conf")
	settings := strings.Join([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(r.port.Number),
		"requirepass " + r.password,
		"sentinel sentinel-pass " + r.password,
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", redisMaster, s.Servers[0].port.Number),
		"sentinel auth-pass " + redisMaster + " " + r.password,
		// A busy machine must not be enough for a failover.
		"sentinel down-after-milliseconds " + redisMaster + " 2000",
		"sentinel failover-timeout " + redisMaster + " 5000",
		"",
	}, "\n")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	if err := s.group.run(ctx, r, name, dir, "", file, "--sentinel"); err != nil {
		return r, err
	}
	// It looks around, and says what it knows, every ten and every two seconds: each
	// failover waits for that several times.
	return r, r.want(ctx, "SENTINEL", "DEBUG", "INFO-PERIOD", "1000", "PUBLISH-PERIOD", "300")
}

// sentinelLacks returns what a Sentinel still has to learn, or "".
func sentinelLacks(ctx context.Context, r *Redis) string {
	answer, err := r.command(ctx, "SENTINEL", "MASTER", redisMaster)
	if err != nil {
		return "the master"
	}
	fields := strings.Split(answer, "\n")
	values := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		values[fields[i]] = fields[i+1]
	}
	switch {
	case values["flags"] != "master":
		return "that the master is well"
	case values["num-slaves"] != "1":
		return "the replica"
	case values["num-other-sentinels"] != "2":
		return "the other Sentinels"
	}
	replica, err := r.command(ctx, "SENTINEL", "REPLICAS", redisMaster)
	if err != nil || !strings.Contains(replica, "master-link-status\nok\n") {
		return "that the replica is well"
	}
	return ""
}

// Master returns the server that a majority of the Sentinels name, or nil.
func (s *RedisSentinel) Master(ctx context.Context) *Redis {
	for _, r := range s.Servers {
		want := "127.0.0.1\n" + strconv.Itoa(r.port.Number)
		votes := 0
		for _, sentinel := range s.Sentinels {
			if answer, err := sentinel.command(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", redisMaster); err == nil && answer == want {
				votes++
			}
		}
		if votes > len(s.Sentinels)/2 {
			return r
		}
	}
	return nil
}

// URL returns the connection string, with the Sentinels' addresses.
func (s *RedisSentinel) URL() string {
	return s.group.url("redis+sentinel", s.Sentinels[:], "/"+redisMaster+"/0?sentinel_password="+s.group.password)
}

// Output returns what the servers and Sentinels have written.
func (s *RedisSentinel) Output() string { return s.group.output() }

// Close stops all of them for good.
func (s *RedisSentinel) Close() error { return s.group.close() }
