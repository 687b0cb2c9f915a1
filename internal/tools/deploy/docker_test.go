package deploy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"
)

// anyImage answers for every base image, so that nothing is asked of a registry.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/go/bin:/usr/bin:/bin"]},"rootfs":{"type":"layers","diff_ids":[]}}`)
	return ref, digest.FromBytes(config), config, nil
}

// ignored is what a Dockerfile's context leaves out.
func ignored(t *testing.T, dockerfile string) *patternmatcher.PatternMatcher {
	t.Helper()
	text := read(t, ".dockerignore")
	if own, err := filepath.Glob(filepath.Join(root, dockerfile+".dockerignore")); err == nil && len(own) == 1 {
		text = read(t, dockerfile+".dockerignore")
	}
	patterns, err := ignorefile.ReadAll(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func lint(t *testing.T, dockerfile string, text []byte) []string {
	t.Helper()
	source := llb.NewSourceMap(nil, dockerfile, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(t.Context(), text, dockerfile2llb.ConvertOpt{
		Config:       dockerui.Config{},
		MetaResolver: anyImage{},
		SourceMap:    source,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	if results.Error != nil {
		all = append(all, results.Error.Message)
	}
	for _, w := range results.Warnings {
		all = append(all, w.RuleName+": "+w.Detail)
	}
	return all
}

// BuildKit itself reads the Dockerfiles, and has nothing to say against them.
func TestDockerfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/docker/*.Dockerfile"))
	if err != nil || len(files) != 3 {
		t.Fatalf("Dockerfiles %v, %v", files, err)
	}
	for _, file := range files {
		name := filepath.Join("deploy/docker", filepath.Base(file))
		text := []byte(read(t, name))
		for _, warning := range lint(t, name, text) {
			t.Errorf("%s: %s", name, warning)
		}
		tree, err := parser.Parse(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		stages, _, err := instructions.Parse(tree.AST, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkStages(t, name, stages)
		checkCopies(t, name, stages)
	}
	if got := lint(t, "x", []byte("FROM alpine as build\nENTRYPOINT sh\n")); len(got) < 2 {
		t.Errorf("a Dockerfile with two mistakes has only these: %v", got)
	}
}

// checkStages holds what Gatehouse wants of an image beyond what BuildKit does.
func checkStages(t *testing.T, name string, stages []instructions.Stage) {
	t.Helper()
	if len(stages) != 2 {
		t.Fatalf("%s: %d stages, want one that builds and one that runs", name, len(stages))
	}
	for _, s := range stages {
		if wrong := pinned(s.BaseName); wrong != "" || !strings.Contains(s.BaseName, "@") {
			t.Errorf("%s: %s is not pinned by digest", name, s.BaseName)
		}
	}
	for _, c := range stages[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok && len(instructions.GetMounts(run)) == 0 {
			t.Errorf("%s: %s keeps nothing from one build to the next", name, run)
		}
	}
	final := image(stages[1])
	if !strings.Contains(stages[1].BaseName, "distroless/static") {
		t.Errorf("%s: runs on %s", name, stages[1].BaseName)
	}
	if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(final.user) {
		t.Errorf("%s: user %q, want numbers that are not root's", name, final.user)
	}
	for _, label := range []string{"title", "description", "licenses"} {
		if final.labels["org.opencontainers.image."+label] == "" {
			t.Errorf("%s: no label %s", name, label)
		}
	}
	program := strings.TrimSuffix(filepath.Base(name), ".Dockerfile")
	if program == "test" {
		return
	}
	for _, label := range []string{"version", "revision"} {
		if final.labels["org.opencontainers.image."+label] == "" {
			t.Errorf("%s: no label %s", name, label)
		}
	}
	checkRuntime(t, name, program, final)
}

// runsAs is what an image does by itself.
type runsAs struct {
	user       string
	labels     map[string]string
	env        map[string]string
	ports      []string
	health     []string
	entrypoint []string
	command    []string
}

func image(s instructions.Stage) runsAs {
	r := runsAs{labels: map[string]string{}, env: map[string]string{}}
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			r.user = c.User
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				r.labels[l.Key] = strings.Trim(l.Value, `"`)
			}
		case *instructions.EnvCommand:
			for _, e := range c.Env {
				r.env[e.Key] = e.Value
			}
		case *instructions.ExposeCommand:
			r.ports = append(r.ports, c.Ports...)
		case *instructions.HealthCheckCommand:
			r.health = c.Health.Test
		case *instructions.EntrypointCommand:
			r.entrypoint = c.CmdLine
		case *instructions.CmdCommand:
			r.command = c.CmdLine
		}
	}
	return r
}

// checkRuntime asks the program what the image says of it.
func checkRuntime(t *testing.T, name, program string, r runsAs) {
	t.Helper()
	p, settings := built(t, program, nil)
	if got := fmt.Sprint(r.entrypoint, r.command); got != fmt.Sprintf("[/%s] [serve]", program) {
		t.Errorf("%s: runs %s", name, got)
	}
	if got := fmt.Sprint(r.health); got != fmt.Sprintf("[CMD /%s health]", program) {
		t.Errorf("%s: is checked by %s", name, got)
	}
	// Nobody listens at this address; it is known that the command is there.
	probe := exec.Command(p.path, "health")
	probe.Env = []string{strings.ToUpper(program) + "_OPS_ADDR=127.0.0.1:1"}
	if err := probe.Run(); probe.ProcessState.ExitCode() != 1 {
		t.Errorf("%s: %s health: %v", name, program, err)
	}
	for setting := range r.env {
		if _, ok := settings[setting]; !ok {
			t.Errorf("%s: there is no setting %s", name, setting)
		}
	}
	var ports []string
	for _, address := range map[string][]string{
		"gateway": {"GATEWAY_TLS_ADDR", "GATEWAY_OPS_ADDR"}, "backend": {"BACKEND_ADDR", "BACKEND_OPS_ADDR"},
	}[program] {
		_, port, err := net.SplitHostPort(value(r.env, settings, address))
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	for _, port := range ports {
		if !slices.Contains(r.ports, port) {
			t.Errorf("%s: exposes %v, the program listens on %v", name, r.ports, ports)
		}
	}
}

// checkCopies wants all that the build needs in its context, and nothing else there.
func checkCopies(t *testing.T, name string, stages []instructions.Stage) {
	t.Helper()
	m := ignored(t, name)
	out := func(path string) bool {
		yes, err := m.MatchesOrParentMatches(path)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	for _, c := range stages[0].Commands {
		if c, ok := c.(*instructions.CopyCommand); ok {
			for _, path := range c.SourcePaths {
				if found, err := filepath.Glob(filepath.Join(root, path)); err != nil || len(found) != 1 || out(path) {
					t.Errorf("%s: %s is not in the context", name, path)
				}
			}
		}
	}
	for _, secret := range []string{".git/config", ".env", ".data/secrets/jwt_secret", "deploy/kubernetes/overlays/dev/secrets/keys/keys.json"} {
		if !out(secret) {
			t.Errorf("%s: %s is in the context", name, secret)
		}
	}
}

// Every Dockerfile builds with the same Go, and it is not older than go.mod asks for.
func TestGoOfImages(t *testing.T) {
	version := regexp.MustCompile(`(?m)^FROM .*golang:([0-9.]+)-alpine\S*`)
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	seen := map[string]bool{}
	for _, name := range []string{"gateway", "backend", "test"} {
		m := version.FindStringSubmatch(read(t, "deploy/docker/"+name+".Dockerfile"))
		seen[m[1]] = true
		if !strings.HasPrefix(m[1], want+".") {
			t.Errorf("%s is built with Go %s, go.mod asks for %s", name, m[1], want)
		}
	}
	if len(seen) != 1 {
		t.Errorf("images are built with %v", seen)
	}
}
