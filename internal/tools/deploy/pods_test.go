package deploy

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	disruption "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// ours says which program of ours a container runs, if any.
func ours(c core.Container) string {
	name, _, _ := strings.Cut(path.Base(c.Image), ":")
	if strings.Contains(c.Image, "gatehouse/") {
		return name
	}
	return ""
}

// environment is what a container's program sees.
func (c cluster) environment(t *testing.T, container core.Container) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, from := range container.EnvFrom {
		for name, value := range named[*core.ConfigMap](t, c, from.ConfigMapRef.Name).Data {
			env[name] = value
		}
	}
	for _, v := range container.Env {
		env[v.Name] = v.Value
	}
	return env
}

// Every pod is confined, sized and pinned, and has no way to the API server.
func TestPods(t *testing.T) {
	for _, c := range overlays(t) {
		for _, a := range each[*core.ServiceAccount](c) {
			if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
				t.Errorf("%s: service account %s gives a token", c.overlay, a.Name)
			}
		}
		for _, w := range c.workloads() {
			at := fmt.Sprintf("%s: %s %s", c.overlay, w.kind, w.name)
			if no := w.spec.AutomountServiceAccountToken; no == nil || *no {
				t.Errorf("%s mounts a token", at)
			}
			if no := w.spec.EnableServiceLinks; no == nil || *no {
				t.Errorf("%s gets the addresses of services among its settings", at)
			}
			for _, k := range w.containers() {
				at := at + ", container " + k.Name
				if wrong := pinned(k.Image); wrong != "" {
					t.Errorf("%s: image %s %s", at, k.Image, wrong)
				}
				if ro := k.SecurityContext.ReadOnlyRootFilesystem; ro == nil || !*ro {
					t.Errorf("%s can write to its image", at)
				}
				if k.Resources.Requests.Cpu().IsZero() || k.Resources.Requests.Memory().IsZero() || k.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s: resources %v", at, k.Resources)
				}
				for _, v := range k.Env {
					if v.Name == "GOMEMLIMIT" {
						checkMemory(t, at, v.Value, *k.Resources.Limits.Memory())
					}
				}
			}
		}
	}
}

func checkMemory(t *testing.T, at, limit string, of resource.Quantity) {
	t.Helper()
	soft, err := resource.ParseQuantity(strings.TrimSuffix(limit, "B"))
	if err != nil {
		t.Fatal(err)
	}
	if share := soft.AsApproximateFloat64() / of.AsApproximateFloat64(); share < 0.8 || share > 0.95 {
		t.Errorf("%s: GOMEMLIMIT %s is %.2f of the limit", at, limit, share)
	}
}

// The manifests repeat what the programs are set to: their names of settings, ports,
// and how long they take to stop.
func TestServers(t *testing.T) {
	for _, c := range overlays(t) {
		for name, addresses := range map[string]map[string]string{
			"gateway": {"https": "GATEWAY_TLS_ADDR", "ops": "GATEWAY_OPS_ADDR"},
			"backend": {"api": "BACKEND_ADDR", "ops": "BACKEND_OPS_ADDR"},
		} {
			d := named[*apps.Deployment](t, c, name)
			spec := d.Spec.Template.Spec
			k := spec.Containers[0]
			at := c.overlay + ": " + name
			env := c.environment(t, k)
			_, settings := built(t, ours(k), k.Args)
			ports := map[string]string{}
			for _, p := range k.Ports {
				ports[p.Name] = fmt.Sprint(p.ContainerPort)
			}
			for port, from := range addresses {
				if _, want, _ := net.SplitHostPort(value(env, settings, from)); ports[port] != want {
					t.Errorf("%s: port %s is %s, %s says %s", at, port, ports[port], from, want)
				}
			}
			for probe, want := range map[*core.Probe]string{k.StartupProbe: "/health/live", k.LivenessProbe: "/health/live", k.ReadinessProbe: "/health/ready"} {
				if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != want || probe.HTTPGet.Port.StrVal != "ops" {
					t.Errorf("%s: the probe is %+v, want %s on ops", at, probe, want)
				}
			}
			var before time.Duration
			if k.Lifecycle != nil {
				before = time.Duration(k.Lifecycle.PreStop.Sleep.Seconds) * time.Second
			}
			checkGrace(t, at, time.Duration(*spec.TerminationGracePeriodSeconds)*time.Second, before, env, settings)
			// Not ready for longer than its watchers take to see it.
			r := k.ReadinessProbe
			seen := time.Duration(r.PeriodSeconds*r.FailureThreshold) * time.Second
			if drain := duration(t, value(env, settings, "DRAIN_DELAY")); drain < seen {
				t.Errorf("%s: drains for %v, which is seen after %v", at, drain, seen)
			}
			if d.Spec.Replicas != nil {
				t.Errorf("%s: replicas are the autoscaler's", at)
			}
			if s := d.Spec.Strategy.RollingUpdate; s == nil || s.MaxUnavailable.IntVal != 0 || s.MaxUnavailable.StrVal != "" {
				t.Errorf("%s: an update takes pods away first", at)
			}
			checkFollowers(t, c, d)
		}
	}
}

// checkFollowers finds the service, the budget and the autoscaler of a deployment.
func checkFollowers(t *testing.T, c cluster, d *apps.Deployment) {
	t.Helper()
	pods := labels.Set(d.Spec.Template.Labels)
	if s := named[*core.Service](t, c, d.Name); !labels.SelectorFromSet(s.Spec.Selector).Matches(pods) {
		t.Errorf("%s: the service %s selects other pods", c.overlay, s.Name)
	}
	budget := named[*disruption.PodDisruptionBudget](t, c, d.Name)
	if selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector); err != nil || !selector.Matches(pods) {
		t.Errorf("%s: the budget %s is for other pods (%v)", c.overlay, budget.Name, err)
	}
	scaler := named[*autoscaling.HorizontalPodAutoscaler](t, c, d.Name)
	if of := scaler.Spec.ScaleTargetRef; of.Kind != "Deployment" || of.Name != d.Name {
		t.Errorf("%s: the autoscaler %s is for %v", c.overlay, scaler.Name, of)
	}
	for _, s := range d.Spec.Template.Spec.TopologySpreadConstraints {
		if selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector); err != nil || !selector.Matches(pods) {
			t.Errorf("%s: %s is spread by other pods", c.overlay, d.Name)
		}
	}
	if n := len(d.Spec.Template.Spec.TopologySpreadConstraints); n != 2 {
		t.Errorf("%s: %s has %d spread constraints", c.overlay, d.Name, n)
	}
}

// Each setting is one of the program's, and each secret comes from a file of a
// secret that the guide lists and, in the overlay for development, that is made.
func TestSettings(t *testing.T) {
	guide := read(t, "docs/DEPLOYMENT_GUIDE.md")
	for _, c := range overlays(t) {
		for _, w := range c.workloads() {
			for _, k := range w.containers() {
				if ours(k) == "" {
					continue
				}
				at := fmt.Sprintf("%s: %s %s, container %s", c.overlay, w.kind, w.name, k.Name)
				env := c.environment(t, k)
				_, settings := built(t, ours(k), k.Args)
				checkSettings(t, at, env, settings)
				for _, value := range env {
					if strings.HasPrefix(value, "/run/secrets/") {
						c.checkSecret(t, at, guide, w, k, value)
					}
				}
			}
		}
	}
}

func (c cluster) checkSecret(t *testing.T, at, guide string, w workload, k core.Container, file string) {
	t.Helper()
	key := path.Base(file)
	i := slices.IndexFunc(k.VolumeMounts, func(m core.VolumeMount) bool { return m.MountPath == path.Dir(file) || m.MountPath == file })
	if i < 0 {
		t.Errorf("%s: nothing is mounted for %s", at, file)
		return
	}
	mount := k.VolumeMounts[i]
	if mount.MountPath == file {
		key = "keys.json" // of JWT_KEYS_DIR
	}
	if !mount.ReadOnly || mount.SubPath != "" {
		t.Errorf("%s: %s may be written, or does not follow changes", at, mount.MountPath)
	}
	v := slices.IndexFunc(w.spec.Volumes, func(v core.Volume) bool { return v.Name == mount.Name })
	name := w.spec.Volumes[v].Secret.SecretName
	if c.overlay == "dev" {
		if s := named[*core.Secret](t, c, name); len(s.Data[key]) == 0 {
			t.Errorf("%s: the secret %s has no %s", at, name, key)
		}
		return
	}
	if !strings.Contains(guide, "`"+name+"`") || !strings.Contains(guide, "`"+key+"`") {
		t.Errorf("%s: the guide does not tell of the secret %s with %s", at, name, key)
	}
}

// files are those that secrets put into a container, by path.
func (c cluster) files(t *testing.T, w workload, k core.Container) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, mount := range k.VolumeMounts {
		v := slices.IndexFunc(w.spec.Volumes, func(v core.Volume) bool { return v.Name == mount.Name })
		for key, content := range named[*core.Secret](t, c, w.spec.Volumes[v].Secret.SecretName).Data {
			all[path.Join(mount.MountPath, key)] = string(content)
		}
	}
	return all
}
