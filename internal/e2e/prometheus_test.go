package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/promtest"
	"gatehouse/internal/stack"
	"gatehouse/internal/telemetry"
)

// TestPrometheus has a real Prometheus, with the configuration that operators are
// given, scrape all processes, evaluate all rules and answer what the dashboards
// ask. It also has promtool look at what the processes expose.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	p := startPrometheus(t, promtest.Program(t, "prometheus"))
	c := newClient(t, shared, 0)
	_, tokens := c.newUser()
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)

	eventually(t, "all targets are scraped", func() bool {
		var targets struct {
			ActiveTargets []struct{ Health string }
		}
		p.ask(t, "targets", nil, &targets)
		up := 0
		for _, target := range targets.ActiveTargets {
			if target.Health == "up" {
				up++
			}
		}
		return up == len(shared.Gateways)+len(shared.Backends)
	})
	p.checkMetadata(t)
	p.checkRules(t)
	p.checkDashboards(t)
	checkExposition(t)
}

// prometheus is a server that scrapes the shared stack.
type prometheus struct {
	base string
	dir  string
}

func startPrometheus(t *testing.T, program string) *prometheus {
	t.Helper()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	p := &prometheus{dir: filepath.Join(root, "deploy", "prometheus")}
	config, err := os.ReadFile(filepath.Join(p.dir, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var gateways, backends []string
	for _, g := range shared.Gateways {
		gateways = append(gateways, strings.TrimPrefix(g.Ops, "http://"))
	}
	for _, b := range shared.Backends {
		backends = append(backends, strings.TrimPrefix(b.Ops, "http://"))
	}
	text := string(config)
	for old, adapted := range map[string]string{
		"scrape_interval: 15s":        "scrape_interval: 1s",
		"scrape_timeout: 5s":          "scrape_timeout: 1s",
		"evaluation_interval: 15s":    "evaluation_interval: 1s",
		"- recording.yml":             "- " + filepath.Join(p.dir, "recording.yml"),
		"- alerts.yml":                "- " + filepath.Join(p.dir, "alerts.yml"),
		"- targets: [127.0.0.1:9090]": "- targets: [" + strings.Join(gateways, ", ") + "]",
		"- targets: [127.0.0.1:9091]": "- targets: [" + strings.Join(backends, ", ") + "]",
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("prometheus.yml has %q %d times", old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, adapted, 1)
	}
	data := t.TempDir()
	file := filepath.Join(data, "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(data, "tsdb"),
		"--web.listen-address=127.0.0.1:0", "--log.format=json")
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	ended := make(chan struct{})
	var lines bytes.Buffer // until ended
	go func() {
		defer close(ended)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			fmt.Fprintln(&lines, scanner.Text())
			var line struct{ Msg, Address string }
			if json.Unmarshal(scanner.Bytes(), &line) == nil && line.Msg == "Listening on" {
				address <- line.Address
			}
		}
	}()
	t.Cleanup(func() {
		<-ended // killed with the test's context, which is done by now
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(lines.String())
		}
	})
	select {
	case addr := <-address:
		p.base = "http://" + addr
	case <-ended:
		t.Fatal("Prometheus has ended")
	}
	return p
}

// ask reads an answer of Prometheus's API.
func (p *prometheus) ask(t *testing.T, what string, query url.Values, data any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+"/api/v1/"+what+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct {
		Status, Error string
		Data          json.RawMessage
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return // it has just started
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatalf("%s: %v: %s", what, err, text)
	}
	if envelope.Status != "success" {
		t.Errorf("%s %s: %s", what, query.Get("query"), envelope.Error)
		return
	}
	if err := json.Unmarshal(envelope.Data, data); err != nil {
		t.Fatalf("%s: %v: %s", what, err, text)
	}
}

// checkMetadata holds what Prometheus has read of types and helps against the
// table.
func (p *prometheus) checkMetadata(t *testing.T) {
	t.Helper()
	var metadata map[string][]struct{ Type, Help string }
	p.ask(t, "metadata", nil, &metadata)
	for _, m := range telemetry.Table() {
		if got := metadata[m.Name]; len(got) > 0 && (len(got) != 1 || got[0].Type != string(m.Type) || got[0].Help != m.Help) {
			t.Errorf("%s: Prometheus has read %+v", m.Name, got)
		}
	}
	if n := len(metadata); n < len(telemetry.Table())/2 {
		t.Errorf("Prometheus has read the metadata of %d metrics", n)
	}
}

// checkRules waits until each rule was evaluated.
func (p *prometheus) checkRules(t *testing.T) {
	t.Helper()
	rules, err := promtest.Rules(filepath.Join(p.dir, "recording.yml"), filepath.Join(p.dir, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all rules are evaluated", func() bool {
		var loaded struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		p.ask(t, "rules", nil, &loaded)
		n, evaluated := 0, 0
		for _, group := range loaded.Groups {
			for _, r := range group.Rules {
				n++
				if r.Health == "ok" {
					evaluated++
				}
				if r.LastError != "" {
					t.Errorf("%s: %s", r.Name, r.LastError)
				}
			}
		}
		return n == len(rules) && evaluated == n
	})
}

// checkDashboards asks what the dashboards ask, until there is an answer to
// everything but what asks for trouble.
func (p *prometheus) checkDashboards(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "..", "grafana", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d promtest.Dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		for _, expr := range d.Expressions() {
			eventually(t, "an answer to "+expr, func() bool {
				var answer struct{ Result []json.RawMessage }
				p.ask(t, "query", url.Values{"query": {expr}}, &answer)
				return len(answer.Result) > 0 || strings.HasSuffix(expr, " > 0)") || strings.HasSuffix(expr, " > 0") || strings.HasPrefix(expr, "ALERTS")
			})
		}
	}
}

// checkExposition has promtool read what the processes expose.
func checkExposition(t *testing.T) {
	t.Helper()
	promtool := promtest.Program(t, "promtool")
	for _, base := range []string{shared.Gateways[0].Ops, shared.Backends[0].Ops} {
		cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(get(t, base+"/metrics"))
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "go_") { // whose names the library has chosen
				t.Errorf("%s: promtool check metrics: %v: %s", base, err, line)
			}
		}
	}
}
