package pg

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
)

func TestReach(t *testing.T) {
	t.Parallel()
	local := []string{
		"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "169.254.0.1", "::ffff:a9fe:a9fe",
		"fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd00:ec2::123", "fd20:ce::254", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"224.0.0.1", "ff02::1", "255.255.255.255", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
	}
	for _, text := range local {
		if (Reach{}).allows(netip.MustParseAddr(text)) {
			t.Errorf("%s is allowed", text)
		}
	}
	for _, text := range []string{
		"10.0.0.5", "172.16.3.4", "192.168.1.1", "203.0.113.7", "fd12:3456::1", "2001:db8::1", "100.64.0.1", "168.63.129.17", "::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::1",
	} {
		if !(Reach{}).allows(netip.MustParseAddr(text)) {
			t.Errorf("%s is not allowed", text)
		}
	}
	loopback := Reach{Local: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for text, want := range map[string]bool{"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "169.254.169.254": false, "fe80::1": false, "0.0.0.0": false, "10.0.0.5": true} {
		if got := loopback.allows(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s with loopback allowed: got %v", text, got)
		}
	}
}

// One address that is not allowed is enough: which one is used is not for the
// name to choose.
func TestReachLooksAtEveryAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		found []string
		want  error
	}{
		{[]string{"203.0.113.7", "2001:db8::1"}, nil}, {[]string{"203.0.113.7", "127.0.0.1"}, ErrForbidden}, {[]string{"fd00:ec2::254", "203.0.113.7"}, ErrForbidden}, {nil, nil},
	} {
		lookup := Reach{}.lookup(func(context.Context, string) ([]string, error) { return tc.found, nil })
		got, err := lookup(t.Context(), "db.example.com")
		if !errors.Is(err, tc.want) || err == nil && !slices.Equal(got, tc.found) || err != nil && got != nil {
			t.Errorf("%v: got %v, %v", tc.found, got, err)
		}
	}
	if _, err := (Reach{}).lookup(func(context.Context, string) ([]string, error) { return []string{"203.0.113.7:80"}, nil })(t.Context(), "db"); err == nil {
		t.Error("what is not an address was taken")
	}
	if FaultOf(ErrForbidden) != Refused {
		t.Errorf("got %v", FaultOf(ErrForbidden))
	}
}
