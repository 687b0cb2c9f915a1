package redisconn

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what a URL says, as far as it matters here.
type seen struct {
	Mode               string
	Addrs              []string
	Username, Password string
	Master             string
	DB                 int
	SentinelUsername   string
	SentinelPassword   string
	PoolSize           int
	TLS                bool
	ServerName         string
}

func see(s source) seen {
	switch {
	case s.cluster != nil:
		o := s.cluster
		return seen{Mode: "cluster", Addrs: o.Addrs, Username: o.Username, Password: o.Password, PoolSize: o.PoolSize, TLS: o.TLSConfig != nil}
	case s.sentinel != nil:
		o := s.sentinel
		return seen{
			Mode: "sentinel", Addrs: o.SentinelAddrs, Username: o.Username, Password: o.Password, Master: o.MasterName, DB: o.DB,
			SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword, PoolSize: o.PoolSize, TLS: o.TLSConfig != nil,
		}
	}
	o := s.server
	name := ""
	if o.TLSConfig != nil {
		name = o.TLSConfig.ServerName
	}
	return seen{
		Mode: "server", Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, PoolSize: o.PoolSize,
		TLS: o.TLSConfig != nil, ServerName: name,
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]seen{
		"redis://10.0.0.3": {Mode: "server", Addrs: []string{"10.0.0.3:6379"}},
		"rediss://gate:hunter2@redis.internal:6380/1?pool_size=7": {
			Mode: "server", Addrs: []string{"redis.internal:6380"}, Username: "gate", Password: "hunter2", DB: 1, PoolSize: 7,
			TLS: true, ServerName: "redis.internal",
		},
		"unix://gate:hunter2@/run/redis.sock?db=2": {
			Mode: "server", Addrs: []string{"/run/redis.sock"}, Username: "gate", Password: "hunter2", DB: 2,
		},
		"redis+cluster://a": {Mode: "cluster", Addrs: []string{"a:6379"}},
		"redis+cluster://gate:hunter2@a:7000,b,[::1]:7001,[::1]/?pool_size=7": {
			Mode: "cluster", Addrs: []string{"a:7000", "b:6379", "[::1]:7001", "[::1]:6379"}, Username: "gate", Password: "hunter2", PoolSize: 7,
		},
		"rediss+cluster://:a%2Fb,c%40@a:7000": {Mode: "cluster", Addrs: []string{"a:7000"}, Password: "a/b,c@", TLS: true},
		"redis+cluster://:p@ss@a:7000":        {Mode: "cluster", Addrs: []string{"a:7000"}, Password: "p@ss"},
		"redis+sentinel://a,b:26380/mymaster": {Mode: "sentinel", Addrs: []string{"a:26379", "b:26380"}, Master: "mymaster"},
		"rediss+sentinel://gate:hunter2@a/mymaster/3?sentinel_username=s&sentinel_password=t%26&pool_size=7": {
			Mode: "sentinel", Addrs: []string{"a:26379"}, Username: "gate", Password: "hunter2", Master: "mymaster", DB: 3,
			SentinelUsername: "s", SentinelPassword: "t&", PoolSize: 7, TLS: true,
		},
	} {
		s, err := parse(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if diff := cmp.Diff(want, see(s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
	}
}

func TestWrongURLs(t *testing.T) {
	t.Parallel()
	for want, urls := range map[error][]string{
		errURL: {
			"", "hunter2", "127.0.0.1:6379", "http://a", "://a", "redis+://a", "redis+replica://a", "redis+cluster+sentinel://a",
			"Redis://a", "redis", "unix+cluster://a", "+cluster://a",
		},
		errServerURL: {
			"redis://a:http", "redis://a/zero", "redis://gate:hunter2%zz@a", "redis://gate:hunter2\x7f@a", "redis://a?colour=blue",
			"redis://a?pool_size=many", "redis:// a",
		},
		errManyServers: {"redis://a,b", "rediss://:hunter2@a:1,b:2/0", "redis://a:1,b:2/mymaster"},
		errClusterURL: {
			"redis+cluster://", "redis+cluster://a,", "redis+cluster://,a", "redis+cluster://a:", "redis+cluster://a:0",
			"redis+cluster://a:65536", "redis+cluster://a:-1", "redis+cluster://a:b", "redis+cluster://a:1:2", "redis+cluster://::1",
			"redis+cluster://[::1", "redis+cluster://a/0", "redis+cluster://a/1", "redis+cluster://a#b", "redis+cluster://a b", "redis+cluster://%C3%A9",
			"redis+cluster://a?db=1", "redis+cluster://a?pool_size=many", "redis+cluster://a?pool_size=1&pool_size=2",
			"redis+cluster://gate:hunter2%zz@a", "redis+cluster://:hunter2/@a", "redis+cluster://a?%zz", "redis+cluster://a?sentinel_password=b",
		},
		errSentinelURL: {
			"redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://a/m/", "redis+sentinel://a/m/x", "redis+sentinel://a/m/-1",
			"redis+sentinel://a/m/65536", "redis+sentinel://a/m/1/2", "redis+sentinel:///m", "redis+sentinel://a/m?master=b", "redis+sentinel://a//1",
		},
		errConnections: {
			"redis://a?pool_size=-1", "redis://a?pool_size=10001", "redis://a?min_idle_conns=10001", "redis://a?max_active_conns=-1",
			"redis://a?max_idle_conns=10001", "redis://a?max_concurrent_dials=10001",
			"redis+cluster://a?pool_size=-1", "redis+sentinel://a/m?pool_size=10001",
		},
	} {
		for _, url := range urls {
			if _, err := parse(url); !errors.Is(err, want) {
				t.Errorf("%q: %v, want that it %v", url, err, want)
			}
		}
	}
}

// FuzzURL: whatever is taken leads to servers, and can be opened; whatever is
// not is answered with one of the known sentences, none of which quotes it.
func FuzzURL(f *testing.F) {
	for _, url := range []string{
		"redis://gate:hunter2@10.0.0.3:6379/0?pool_size=7", "rediss://a", "unix:///run/redis.sock", "redis+cluster://:p@a,b:1,[::1]:2",
		"rediss+sentinel://gate:hunter2@a,b/m/1?sentinel_username=u&sentinel_password=p&pool_size=3", "redis://a,b", "redis+cluster://a:0",
		"redis://?protocol=2", "redis://a?min_idle_conns=1&max_active_conns=1", "redis+cluster://@/", "redis+cluster://%61%2c",
		"redis://a?conn_max_lifetime=1s&conn_max_lifetime_jitter=-1s",
	} {
		f.Add(url)
	}
	known := []error{errURL, errServerURL, errManyServers, errClusterURL, errSentinelURL, errConnections}
	f.Fuzz(func(t *testing.T, url string) {
		s, err := parse(url)
		if err != nil {
			for _, k := range known {
				if err == k { //nolint:errorlint // one that holds more than the sentence may hold the password
					return
				}
			}
			t.Fatalf("%q: %v", url, err)
		}
		got := see(s)
		if len(got.Addrs) == 0 || got.Mode == "sentinel" && got.Master == "" {
			t.Errorf("%q leads nowhere: %+v", url, got)
		}
		if got.Mode != "server" {
			for _, addr := range got.Addrs {
				host, port, err := net.SplitHostPort(addr)
				number, wrong := strconv.Atoi(port)
				if err != nil || wrong != nil || host == "" || number < 1 || number > 65535 || strings.ContainsAny(host, ",/@") {
					t.Errorf("%q leads to %q", url, addr)
				}
			}
		}
		if got.Mode == "server" && s.server.MinIdleConns > 0 {
			return // it would dial
		}
		for _, l := range []limits{requestLimits(1), followLimits} {
			if err := s.open(l, newGuard((&lines{}).logger(), budget)).Close(); err != nil {
				t.Errorf("%q: close: %v", url, err)
			}
		}
	})
}
