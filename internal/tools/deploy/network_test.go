package deploy

import (
	"fmt"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is a pod as network policies see it; outside is where there are none.
type peer struct {
	namespace, name string
}

var outside = peer{}

// The policies let through what has to go through, and nothing else.
func TestNetwork(t *testing.T) {
	for _, c := range overlays(t) {
		in := each[*core.Namespace](c)[0].Name
		gateway, backend, migrate := peer{in, "gatehouse-gateway"}, peer{in, "gatehouse-backend"}, peer{in, "gatehouse-migrate"}
		other, stranger := peer{in, "other"}, peer{"elsewhere", "gatehouse-gateway"}
		prometheus, pretender := peer{"monitoring", "prometheus"}, peer{"monitoring", "grafana"}
		dns := peer{"kube-system", "kube-dns"}
		for _, rule := range []struct {
			from, to peer
			port     int32
			want     bool
		}{
			{outside, gateway, 8443, true},
			{stranger, gateway, 8443, true},
			{outside, gateway, 9090, false},
			{outside, backend, 8081, false},
			{gateway, backend, 8081, true},
			{gateway, backend, 9091, false},
			{stranger, backend, 8081, false},
			{migrate, backend, 8081, false},
			{other, backend, 8081, false},
			{backend, gateway, 8443, false},
			{prometheus, gateway, 9090, true},
			{prometheus, backend, 9091, true},
			{prometheus, backend, 8081, false},
			{pretender, gateway, 9090, false},
			{stranger, backend, 9091, false},
			{gateway, outside, 6379, true},
			{gateway, outside, 5432, false},
			{gateway, outside, 443, false},
			{backend, outside, 5432, true},
			{backend, outside, 6379, true},
			{backend, outside, 443, false},
			{migrate, outside, 5432, true},
			{migrate, outside, 6379, false},
			{migrate, outside, 443, false},
			{gateway, dns, 53, true},
			{backend, dns, 53, true},
			{migrate, dns, 53, true},
			{gateway, outside, 53, false},
			{other, outside, 5432, false},
			{outside, other, 8443, false},
		} {
			got := c.passes(t, rule.from, rule.to, rule.port, true) && c.passes(t, rule.from, rule.to, rule.port, false)
			if got != rule.want {
				t.Errorf("%s: %v to %v, port %d: %v, want %v", c.overlay, rule.from, rule.to, rule.port, got, rule.want)
			}
		}
		if c.overlay != "dev" {
			continue
		}
		postgres, redis := peer{in, "gatehouse-postgres"}, peer{in, "gatehouse-redis"}
		for want, pairs := range map[bool][][2]peer{
			true:  {{backend, postgres}, {migrate, postgres}, {backend, redis}, {gateway, redis}},
			false: {{gateway, postgres}, {outside, postgres}, {migrate, redis}, {outside, redis}, {postgres, outside}, {redis, outside}},
		} {
			for _, p := range pairs {
				port := int32(5432)
				if p[1] == redis {
					port = 6379
				}
				if got := c.passes(t, p[0], p[1], port, true) && c.passes(t, p[0], p[1], port, false); got != want {
					t.Errorf("dev: %v to %v: %v, want %v", p[0], p[1], got, want)
				}
			}
		}
	}
}

// passes says whether the policies at one end of a connection let it through: an end
// that no policy is for lets everything.
func (c cluster) passes(t *testing.T, from, to peer, port int32, egress bool) bool {
	t.Helper()
	here, there := to, from
	if egress {
		here, there = from, to
	}
	bound := false
	for _, p := range each[*networking.NetworkPolicy](c) {
		if p.Namespace != here.namespace || !selects(t, &p.Spec.PodSelector, "app.kubernetes.io/name", here.name) {
			continue
		}
		for _, direction := range p.Spec.PolicyTypes {
			if (direction == networking.PolicyTypeEgress) != egress {
				continue
			}
			bound = true
			if egress {
				for _, r := range p.Spec.Egress {
					if c.matches(t, p.Namespace, r.To, r.Ports, there, to, port) {
						return true
					}
				}
				continue
			}
			for _, r := range p.Spec.Ingress {
				if c.matches(t, p.Namespace, r.From, r.Ports, there, to, port) {
					return true
				}
			}
		}
	}
	return !bound
}

// matches says whether a rule names the other end, there, and the port of to.
func (c cluster) matches(t *testing.T, namespace string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort, there, to peer, port int32) bool {
	t.Helper()
	known := len(peers) == 0
	for _, p := range peers {
		if p.IPBlock != nil {
			t.Fatal("this test knows no blocks of addresses")
		}
		in := there.namespace == namespace
		if p.NamespaceSelector != nil {
			in = there != outside && selects(t, p.NamespaceSelector, "kubernetes.io/metadata.name", there.namespace)
		}
		known = known || in && (p.PodSelector == nil || selects(t, p.PodSelector, "app.kubernetes.io/name", there.name))
	}
	if !known {
		return false
	}
	for _, p := range ports {
		if p.Port.StrVal == "" && p.Port.IntVal == port || p.Port.StrVal != "" && c.portOf(to, p.Port.StrVal) == port {
			return true
		}
	}
	return len(ports) == 0
}

// portOf resolves the name of a port among the pods that a peer stands for.
func (c cluster) portOf(to peer, name string) int32 {
	for _, w := range c.workloads() {
		for _, k := range w.containers() {
			for _, p := range k.Ports {
				if w.meta.Labels["app.kubernetes.io/name"] == to.name && p.Name == name {
					return p.ContainerPort
				}
			}
		}
	}
	return -1
}

func selects(t *testing.T, s *metav1.LabelSelector, key, value string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set{key: value})
}

func (p peer) String() string {
	if p == outside {
		return "outside"
	}
	return fmt.Sprintf("%s/%s", p.namespace, p.name)
}
