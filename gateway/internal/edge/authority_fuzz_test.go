package edge

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/internal/mutatetest"
)

var hostSeeds = []string{"a", "a:80", "[::1]:80", "a@b", "a:b:c", "[::1%25en0]", "a/b", "%41", "a\"b", "-", "_", "a:", "[00]", "192.0.2.1", "[::ffff:1.2.3.4]"}

// FuzzHost checks that a host which passes is the same to net/url, and that it
// can stand between quotes in Forwarded.
func FuzzHost(f *testing.F) {
	for _, seed := range hostSeeds {
		f.Add(seed)
	}
	f.Fuzz(judgeHost)
}

func TestChangedHosts(t *testing.T) {
	t.Parallel()
	mutatetest.Each(20_000, bytesOf(hostSeeds), func(host []byte) { judgeHost(t, string(host)) })
}

func judgeHost(t *testing.T, host string) {
	t.Helper()
	if !validHost([]byte(host)) || host == "" {
		return
	}
	u, err := url.Parse("http://" + host + "/x")
	if err != nil {
		t.Fatalf("%q passed, but net/url refuses it: %v", host, err)
	}
	if u.Host != host || u.User != nil || u.Path != "/x" || u.Hostname() == "" {
		t.Errorf("%q is host %q, user %v, path %q to net/url", host, u.Host, u.User, u.Path)
	}
	if strings.ContainsAny(host, "\"\\, ;=") {
		t.Errorf("%q passed", host)
	}
}
