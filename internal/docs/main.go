// Command docs writes what is generated for readers: .env.example,
// docs/API_DOCUMENTATION.md, docs/configuration.md, docs/errors.md and docs/metrics.md. `make generate` runs
// it, and `make verify` fails when its output is stale.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
)

//go:generate go run .

const configurationHead = `# Configuration

Gatehouse is configured by environment variables. Each process validates all of them when it starts, reports every
mistake at once, and exits with status 2 if anything is wrong; otherwise it logs the effective settings, with secrets
hidden. An empty variable counts as not set.

Every secret may be given as ` + "`NAME_FILE`" + `, the path of a file that holds it (a trailing line break is ignored); both
at once is a mistake. With ` + "`APP_ENV=production`" + `, the default, secrets that are short, repetitive or known from
examples are refused.

This page is generated from the ` + "`Config`" + ` structs of both processes; ` + "`.env.example`" + ` holds the same as a template.
`

const errorsHead = `# Errors

Every error is one shape: problem details for HTTP APIs (RFC 9457, ` + "`application/problem+json`" + `).

` + "```json" + `
%s
` + "```" + `

` + "`code`" + ` is for programs and part of the API; ` + "`message`" + ` (the same as ` + "`detail`" + `) is for people. ` + "`errors`" + ` holds all
findings about the request: ` + "`field`" + ` is a JSON pointer into the body, or the name of a query parameter. ` + "`request_id`" + `
is also in the ` + "`X-Request-Id`" + ` header and in the logs of both processes; quote it when you report a problem. Answers 429
and 503 carry ` + "`Retry-After`" + ` in seconds.

This page is generated from package ` + "`internal/problem`" + `.

%s`

const metricsHead = `# Metrics

Both processes expose their metrics at ` + "`/metrics`" + ` of the ops listener, in Prometheus's text format; histograms have real
` + "`le`" + ` buckets. [observability.md](observability.md) says how to scrape them, [runbook.md](runbook.md) what to do when an alert
fires.

**No label ever holds a tenant, a user, an address of a client, a token or a request ID.** A gateway exposes at most 2,500
series, and 25 more for each backend; a backend at most 4,000. Tests hold both processes to this page: a metric, label or
value that is not here fails them, and so does a metric that is here and that no process has.

This page is generated from package ` + "`internal/telemetry`" + `.
%s`

// root is the repository, seen from here, where go generate and tests run.
const root = "../.."

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run() error {
	const root = "../.." // go generate runs here
	var sections []config.Section
	for _, program := range []string{"gatehouse/gateway/cmd/gateway", "gatehouse/backend/cmd/backend"} {
		cmd := exec.Command("go", "run", program, "settings")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s settings: %w", program, err)
		}
		var own []config.Section
		if err := json.Unmarshal(out, &own); err != nil {
			return fmt.Errorf("%s settings: %w", program, err)
		}
		sections = append(sections, own...)
	}
	operations, err := operationsPage()
	if err != nil {
		return fmt.Errorf("api/openapi.yaml: %w", err)
	}
	for name, content := range map[string]string{
		".env.example":              config.EnvExample(sections),
		"docs/API_DOCUMENTATION.md": operations,
		"docs/configuration.md":     configurationHead + config.Table(sections),
		"docs/errors.md":            fmt.Sprintf(errorsHead, exampleProblem(), problem.Table()),
		"docs/metrics.md":           fmt.Sprintf(metricsHead, telemetry.Document()),
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func exampleProblem() string {
	p := &problem.Error{Code: problem.ValidationFailed, Fields: []problem.Field{
		{Name: "/age", Code: "out_of_range", Message: "must be from 0 to 150, is 151"},
	}}
	var text bytes.Buffer
	encoded := p.AppendJSON(nil, "/api/v1/address-book", "7c0f2f4f1d3b4a5e8c9d0a1b2c3d4e5f")
	if err := json.Indent(&text, encoded, "", "  "); err != nil {
		panic(err) // AppendJSON writes JSON
	}
	return text.String()
}
