package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// strategies are what the API server does with an object that is created.
var strategies = map[string]rest.RESTCreateStrategy{
	"ConfigMap":               configmap.Strategy,
	"Deployment":              deployment.Strategy,
	"HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy,
	"Job":                     job.Strategy,
	"Namespace":               namespace.Strategy,
	"NetworkPolicy":           networkpolicy.Strategy,
	"PodDisruptionBudget":     poddisruptionbudget.Strategy,
	"Secret":                  secret.Strategy,
	"Service":                 service.Strategy,
	"ServiceAccount":          serviceaccount.Strategy,
	"StatefulSet":             statefulset.Strategy,
}

// cluster is what an overlay makes of a cluster.
type cluster struct {
	overlay string
	objects []runtime.Object
}

// overlays returns every overlay, which is built once for all tests.
func overlays(t *testing.T) []cluster {
	t.Helper()
	overlaysOnce.Do(func() { overlaysBuilt = buildOverlays(t) })
	if overlaysBuilt == nil {
		t.Fatal("the overlays could not be built")
	}
	return overlaysBuilt
}

var (
	overlaysOnce  sync.Once
	overlaysBuilt []cluster
)

// buildOverlays decodes what comes out of each overlay: an unknown field, one that
// is there twice and a value of another type are mistakes.
func buildOverlays(t *testing.T) []cluster {
	t.Helper()
	if err := monitoring.AddToScheme(legacyscheme.Scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	tree := copyTree(t, "deploy/kubernetes")
	_ = os.RemoveAll(filepath.Join(tree, "overlays/dev/secrets"))
	drawSecrets(t, filepath.Join(tree, "overlays/dev/secrets"))
	folders, err := filepath.Glob(filepath.Join(tree, "overlays/*"))
	if err != nil || len(folders) < 2 {
		t.Fatalf("overlays: %v, %v", folders, err)
	}
	var all []cluster
	for _, folder := range folders {
		c := cluster{overlay: filepath.Base(folder)}
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range built.Resources() {
			text, err := r.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			obj, _, err := decoder.Decode(text, nil, nil)
			if err != nil {
				t.Fatalf("%s: %s %s: %v", c.overlay, r.GetKind(), r.GetName(), err)
			}
			c.objects = append(c.objects, obj)
		}
		all = append(all, c)
	}
	return all
}

// each returns a cluster's objects of one type.
func each[T runtime.Object](c cluster) []T {
	var all []T
	for _, obj := range c.objects {
		if o, ok := obj.(T); ok {
			all = append(all, o)
		}
	}
	return all
}

// named returns one object by its name.
func named[T interface {
	runtime.Object
	metav1.Object
}](t *testing.T, c cluster, name string) T {
	t.Helper()
	var none T
	for _, o := range each[T](c) {
		if o.GetName() == name {
			return o
		}
	}
	t.Fatalf("%s: there is no %T %s", c.overlay, none, name)
	return none
}

// workload is what runs pods.
type workload struct {
	kind, name string
	meta       metav1.ObjectMeta // of its pods
	spec       core.PodSpec
}

func (c cluster) workloads() []workload {
	var all []workload
	add := func(kind, name string, template core.PodTemplateSpec) {
		all = append(all, workload{kind, name, template.ObjectMeta, template.Spec})
	}
	for _, d := range each[*apps.Deployment](c) {
		add("Deployment", d.Name, d.Spec.Template)
	}
	for _, s := range each[*apps.StatefulSet](c) {
		add("StatefulSet", s.Name, s.Spec.Template)
	}
	for _, j := range each[*batch.Job](c) {
		add("Job", j.Name, j.Spec.Template)
	}
	return all
}

func (w workload) containers() []core.Container {
	return append(append([]core.Container{}, w.spec.InitContainers...), w.spec.Containers...)
}

// What an overlay builds is what the API server would take: it goes the way of an
// object that is created, defaults and validation included, and its pods are
// within the pod security standard "restricted".
func TestManifests(t *testing.T) {
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for _, c := range overlays(t) {
		for _, obj := range c.objects {
			if _, ok := obj.(*monitoring.ServiceMonitor); ok {
				continue // the operator's, checked by TestScraping
			}
			if err := create(obj.DeepCopyObject()); err != nil {
				t.Errorf("%s: %v", c.overlay, err)
			}
		}
		if len(c.workloads()) < 3 {
			t.Errorf("%s: only %d workloads", c.overlay, len(c.workloads()))
		}
		for _, w := range c.workloads() {
			for _, result := range restricted.EvaluatePod(level, &w.meta, &w.spec) {
				if !result.Allowed {
					t.Errorf("%s: %s %s: %s: %s", c.overlay, w.kind, w.name, result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		}
		for _, n := range each[*core.Namespace](c) {
			if got := n.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
				t.Errorf("%s: namespace %s enforces %q", c.overlay, n.Name, got)
			}
		}
	}
}

func create(obj runtime.Object) error {
	gvk := obj.GetObjectKind().GroupVersionKind()
	legacyscheme.Scheme.Default(obj)
	if s, ok := obj.(*core.Service); ok { // what the server allots
		if s.Spec.ClusterIP != "" {
			s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		}
		if s.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal {
			s.Spec.HealthCheckNodePort = 30000
		}
	}
	internal, err := legacyscheme.Scheme.ConvertToVersion(obj, schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return err
	}
	m, err := meta.Accessor(internal)
	if err != nil {
		return err
	}
	rest.FillObjectMetaSystemFields(m)
	ctx := request.WithNamespace(context.Background(), m.GetNamespace())
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{APIGroup: gvk.Group, APIVersion: gvk.Version})
	return rest.BeforeCreate(strategies[gvk.Kind], ctx, internal)
}

// The validation itself can fail: each of these is a mistake that a schema does not
// show.
func TestManifestsThatAreWrong(t *testing.T) {
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: x}\nspec:\n"
	for name, c := range map[string]struct{ text, want string }{
		"good":          {service + "  ports: [{port: 80}]\n", ""},
		"unknown field": {service + "  ports: [{port: 80, prot: TCP}]\n", `unknown field "spec.ports[0].prot"`},
		"wrong type":    {service + "  ports: [{port: eighty}]\n", "cannot unmarshal string"},
		"out of range":  {service + "  ports: [{port: 80000}]\n", "must be between 1 and 65535"},
		"missing":       {service + "  ports: [{name: http}]\n", "spec.ports[0].port"},
	} {
		obj, _, err := decoder.Decode([]byte(c.text), nil, nil)
		if err == nil {
			err = create(obj)
		}
		if got := errText(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
