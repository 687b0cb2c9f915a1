package promtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/promtest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rules.yml")
	text := "groups: [{name: x, rules: [{record: 'a:b:c', expr: up}, {alert: A, expr: up, for: 1m, labels: {severity: page}}]}]"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, err := promtest.Rules(file)
	if err != nil || len(rules) != 2 || rules[1].Labels["severity"] != "page" {
		t.Fatalf("got %+v, %v", rules, err)
	}
	c := promtest.NewChecker(rules)
	for expr, want := range map[string]string{
		`a:b:c > 1`:                    "",
		`up{job=~"gatehouse-.+"} == 0`: "",
		`sum by (status) (rate(gateway_http_requests_total{status="5xx"}[5m]))`:                                     "",
		`sum by (method, route, le) (rate(gateway_http_request_duration_seconds_bucket{route!~".*/(export)"}[5m]))`: "",
		`rate(gateway_auth_refused_total{kind=~"expired|revoked"}[5m])`:                                             "",
		`gateway_http_requests_total{status="500"}`:                                                                 `never has status="500"`,
		`rate(gateway_auth_refused_total{kind=~"expired|revoke"}[5m])`:                                              `never has kind="expired|revoke"`,
		`gateway_http_requests_total{tenant="acme"}`:                                                                `never has tenant="acme"`,
		`sum by (tenant) (gateway_http_requests_total)`:                                                             "no metric has the label tenant",
		`rate(gateway_http_request_duration_seconds[5m])`:                                                           "no process exposes gateway_http_request_duration_seconds",
		`gateway_http_request_total`:                                                                                "no process exposes gateway_http_request_total",
		`{job="x"}`:                                                                                                 "a selector has no name",
		`a:b:d`:                                                                                                     "no process exposes a:b:d",
		`sum(rate(`:                                                                                                 "unexpected token",
		`nothing(up)`:                                                                                               "unsupported",
	} {
		got := strings.Join(c.Check(expr), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
}

func TestRulesTellOfMistakes(t *testing.T) {
	t.Parallel()
	if _, err := promtest.Rules(filepath.Join(t.TempDir(), "none.yml")); err == nil {
		t.Error("a file that is not there is no error")
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte("groups: [{rules: [{alrt: x}]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := promtest.Rules(file); err == nil {
		t.Error("a member that rules do not have is no error")
	}
}
