package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// adapterRules are the values for the Prometheus Adapter, as far as they are used.
type adapterRules struct {
	Rules struct {
		Default bool `json:"default"`
		Custom  []struct {
			SeriesQuery string `json:"seriesQuery"`
			Resources   struct {
				Overrides map[string]struct {
					Resource string `json:"resource"`
				} `json:"overrides"`
			} `json:"resources"`
			Name struct {
				As string `json:"as"`
			} `json:"name"`
			MetricsQuery string `json:"metricsQuery"`
		} `json:"custom"`
	} `json:"rules"`
}

// What autoscalers go by is what the adapter gives them, and that is made of metrics
// that the processes have.
func TestAutoscaling(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/components/monitoring/prometheus-adapter.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var adapter adapterRules
	if err := yaml.UnmarshalStrict(text, &adapter); err != nil {
		t.Fatal(err)
	}
	metrics := read(t, "docs/metrics.md")
	series := regexp.MustCompile(`^([a-z_]+)\{`)
	given := map[string]bool{}
	for _, r := range adapter.Rules.Custom {
		given[r.Name.As] = true
		m := series.FindStringSubmatch(r.SeriesQuery)
		if len(m) < 2 || !strings.Contains(metrics, "\n| `"+m[1]+"` |") {
			t.Errorf("there is no metric %s", r.SeriesQuery)
		}
		for _, part := range []string{"<<.Series>>", "<<.LabelMatchers>>", "<<.GroupBy>>"} {
			if !strings.Contains(r.MetricsQuery, part) {
				t.Errorf("%s lacks %s", r.MetricsQuery, part)
			}
		}
	}
	for _, c := range overlays(t) {
		monitored := len(each[*monitoring.ServiceMonitor](c)) > 0
		for _, h := range each[*autoscaling.HorizontalPodAutoscaler](c) {
			kinds := map[autoscaling.MetricSourceType]int{}
			for _, m := range h.Spec.Metrics {
				kinds[m.Type]++
				if m.Pods != nil && !given[m.Pods.Metric.Name] {
					t.Errorf("%s: the adapter gives no %s", c.overlay, m.Pods.Metric.Name)
				}
			}
			if kinds[autoscaling.ResourceMetricSourceType] != 1 || kinds[autoscaling.PodsMetricSourceType] == 1 != monitored {
				t.Errorf("%s: %s goes by %v", c.overlay, h.Name, kinds)
			}
		}
	}
}

// Each process is a target of its own, under the job by which the rules go.
func TestScraping(t *testing.T) {
	config := read(t, "deploy/prometheus/prometheus.yml")
	for _, c := range overlays(t) {
		if c.overlay != "prod" {
			continue
		}
		monitors := each[*monitoring.ServiceMonitor](c)
		if len(monitors) != 2 {
			t.Fatalf("%d service monitors", len(monitors))
		}
		for _, m := range monitors {
			selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
			if err != nil {
				t.Fatal(err)
			}
			services := slices.DeleteFunc(each[*core.Service](c), func(s *core.Service) bool { return !selector.Matches(labels.Set(s.Labels)) })
			if len(services) != 1 {
				t.Fatalf("%s selects %d services", m.Name, len(services))
			}
			s := services[0]
			if job := s.Labels[m.Spec.JobLabel]; !strings.Contains(config, "job_name: "+job+"\n") {
				t.Errorf("%s: the job would be called %q", m.Name, job)
			}
			if s.Spec.ClusterIP != "None" || !s.Spec.PublishNotReadyAddresses {
				t.Errorf("%s: %s does not show every process", m.Name, s.Name)
			}
			if len(m.Spec.Endpoints) != 1 || m.Spec.Endpoints[0].Port != s.Spec.Ports[0].Name || s.Spec.Ports[0].TargetPort.StrVal != "ops" {
				t.Errorf("%s: scrapes %+v of %+v", m.Name, m.Spec.Endpoints, s.Spec.Ports)
			}
			if e := m.Spec.Endpoints[0]; !strings.Contains(config, "scrape_interval: "+string(e.Interval)+"\n") {
				t.Errorf("%s: every %s", m.Name, e.Interval)
			}
		}
	}
}

// The function of the guide makes rules of the operator out of those of Prometheus.
func TestRulesOfTheOperator(t *testing.T) {
	guide := read(t, "docs/DEPLOYMENT_GUIDE.md")
	begin := strings.Index(guide, "kubectl_rule() {")
	if begin < 0 {
		t.Fatal("the guide has no kubectl_rule")
	}
	function, _, _ := strings.Cut(guide[begin:], "\n")
	for _, name := range []string{"recording", "alerts"} {
		cmd := exec.Command("sh", "-c", function+"; kubectl_rule "+name)
		cmd.Dir = root
		text, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var rule monitoring.PrometheusRule
		if err := yaml.UnmarshalStrict(text, &rule); err != nil {
			t.Fatal(err)
		}
		if rule.Kind != "PrometheusRule" || rule.Name != "gatehouse-"+name || len(rule.Spec.Groups) == 0 || len(rule.Spec.Groups[0].Rules) == 0 {
			t.Errorf("%s: %+v", name, rule)
		}
	}
}
