package redisconn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// maxConnections bounds the numbers of connections that a URL may ask for. The
// library would panic at a negative one, and at one that fits no 32 bits.
const maxConnections = 10_000

// What is wrong with a URL. None of these quotes it: it may hold a password in
// any of its parts when it is malformed.
var (
	errURL = errors.New("is not a Redis URL; redis://[user:password@]host:port/db, " +
		"redis+cluster://[user:password@]host:port,host:port or " +
		"redis+sentinel://[user:password@]host:port,host:port/master is wanted")
	errServerURL   = errors.New("is not a Redis URL; redis://[user:password@]host:port/db is wanted")
	errManyServers = errors.New("names several servers; redis+cluster:// or redis+sentinel:// is wanted in front of them")
	errClusterURL  = errors.New("is not the URL of a Redis Cluster; redis+cluster://[user:password@]host:port,host:port is wanted, " +
		"without a database, and with pool_size as the only setting")
	errSentinelURL = errors.New("is not the URL of Redis Sentinels; redis+sentinel://[user:password@]host:port,host:port/master[/db] is wanted, " +
		"with sentinel_username, sentinel_password and pool_size as the only settings")
	errConnections = errors.New("asks for a number of connections that is not within 0 and 10000")
)

// A source is where Redis is, and how it is run there.
type source struct {
	server   *redis.Options         // one server, or
	cluster  *redis.ClusterOptions  // a Redis Cluster, or
	sentinel *redis.FailoverOptions // a server that Redis Sentinels name
}

// parse reads a REDIS_URL. Its errors continue the sentence "REDIS_URL …".
func parse(text string) (source, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return source{}, errURL
	}
	switch scheme {
	case "redis", "rediss":
		// The library would take the list for one name.
		if _, hosts, _ := cutHosts(rest); strings.Contains(hosts, ",") {
			return source{}, errManyServers
		}
		return parseServer(text)
	case "unix":
		return parseServer(text)
	case "redis+cluster", "rediss+cluster":
		return parseCluster(rest, scheme == "rediss+cluster")
	case "redis+sentinel", "rediss+sentinel":
		return parseSentinel(rest, scheme == "rediss+sentinel")
	}
	return source{}, errURL
}

func parseServer(text string) (source, error) {
	o, err := redis.ParseURL(text)
	if err != nil {
		return source{}, errServerURL
	}
	for _, n := range []int{o.PoolSize, o.MaxConcurrentDials, o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns} {
		if n < 0 || n > maxConnections {
			return source{}, errConnections
		}
	}
	return source{server: o}, nil
}

func parseCluster(rest string, secure bool) (source, error) {
	l, err := parseList(rest, "6379", "pool_size")
	if err != nil || l.path != "" {
		return source{}, preferring(err, errClusterURL)
	}
	return source{cluster: &redis.ClusterOptions{
		Addrs: l.addrs, Username: l.username, Password: l.password, PoolSize: l.poolSize, TLSConfig: tlsConfig(secure),
	}}, nil
}

func parseSentinel(rest string, secure bool) (source, error) {
	l, err := parseList(rest, "26379", "pool_size", "sentinel_username", "sentinel_password")
	if err != nil {
		return source{}, preferring(err, errSentinelURL)
	}
	master, number, hasNumber := strings.Cut(l.path, "/")
	var db uint64
	if hasNumber {
		db, err = strconv.ParseUint(number, 10, 16)
	}
	if err != nil || master == "" {
		return source{}, errSentinelURL
	}
	return source{sentinel: &redis.FailoverOptions{
		MasterName: master, SentinelAddrs: l.addrs, Username: l.username, Password: l.password, DB: int(db),
		SentinelUsername: l.settings.Get("sentinel_username"), SentinelPassword: l.settings.Get("sentinel_password"),
		PoolSize: l.poolSize, TLSConfig: tlsConfig(secure),
	}}, nil
}

// tlsConfig names no server, so that each one's certificate has to be valid
// for the name by which that server is reached.
func tlsConfig(secure bool) *tls.Config {
	if !secure {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}

// A list is what follows the scheme of a URL that names several servers.
type list struct {
	addrs              []string
	username, password string
	path               string // without the slash in front
	settings           url.Values
	poolSize           int
}

var errList = errors.New("malformed")

// parseList reads [user:password@]host[:port],host[:port]…[/path][?settings].
func parseList(rest, port string, known ...string) (list, error) {
	user, hosts, tail := cutHosts(rest)
	// net/url takes one host only.
	u, err := url.Parse("redis://" + user + "localhost" + tail)
	if err != nil || u.Host != "localhost" || u.Fragment != "" || u.RawFragment != "" {
		return list{}, errList
	}
	l := list{path: strings.TrimPrefix(u.Path, "/")}
	l.username = u.User.Username()
	l.password, _ = u.User.Password()
	for host := range strings.SplitSeq(hosts, ",") {
		addr, ok := address(host, port)
		if !ok {
			return list{}, errList
		}
		l.addrs = append(l.addrs, addr)
	}
	if l.settings, err = url.ParseQuery(u.RawQuery); err != nil {
		return list{}, errList
	}
	for name, values := range l.settings {
		if !slices.Contains(known, name) || len(values) != 1 {
			return list{}, errList
		}
	}
	if text := l.settings.Get("pool_size"); text != "" {
		if l.poolSize, err = strconv.Atoi(text); err != nil {
			return list{}, errList
		}
		if l.poolSize < 0 || l.poolSize > maxConnections {
			return list{}, errConnections
		}
	}
	return l, nil
}

// cutHosts splits what follows the scheme into the credentials with their @,
// the hosts, and the rest.
func cutHosts(text string) (user, hosts, tail string) {
	end := strings.IndexAny(text, "/?#")
	if end < 0 {
		end = len(text)
	}
	start := strings.LastIndexByte(text[:end], '@') + 1
	return text[:start], text[start:end], text[end:]
}

// address returns host:port for a host with or without a port.
func address(text, port string) (string, bool) {
	u, err := url.Parse("redis://" + text)
	if err != nil || u.Host != text || u.Hostname() == "" || strings.HasSuffix(text, ":") {
		return "", false
	}
	if !strings.HasPrefix(text, "[") && strings.Count(text, ":") > 1 {
		return "", false // an address of IPv6 without its brackets, or two ports
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", false
		}
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port), true
}

// preferring returns err when its sentence is more to the point than otherwise.
func preferring(err, otherwise error) error {
	if errors.Is(err, errConnections) {
		return err
	}
	return otherwise
}
