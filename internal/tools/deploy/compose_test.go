package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project reads Compose files as `docker compose config` does.
func project(t *testing.T, files ...string) *types.Project {
	t.Helper()
	for i, f := range files {
		files[i] = filepath.Join(root, f)
	}
	options, err := cli.NewProjectOptions(files, cli.WithDiscardEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every container is confined, pinned and waited for.
func TestCompose(t *testing.T) {
	for _, files := range [][]string{{"docker-compose.yml"}, {"docker-compose.yml", "deploy/docker/compose.test.yml"}} {
		p := project(t, files...)
		for name, s := range p.Services {
			at := fmt.Sprintf("%s: %s", p.Name, name)
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
				t.Errorf("%s is not confined", at)
			}
			if wrong := pinned(s.Image); wrong != "" {
				t.Errorf("%s: image %s %s", at, s.Image, wrong)
			}
			if strings.HasPrefix(s.Image, "gatehouse/") && s.Build == nil && s.PullPolicy != types.PullPolicyNever {
				t.Errorf("%s: %s may be fetched from anywhere", at, s.Image)
			}
			// Our images say by themselves who they run as.
			if s.User == "" && !strings.HasPrefix(s.Image, "gatehouse/") || strings.HasPrefix(s.User, "0") && name != "secrets" {
				t.Errorf("%s runs as %q", at, s.User)
			}
			for _, port := range s.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s is open to the network", at, port.Published)
				}
			}
			for on, d := range s.DependsOn {
				server := p.Services[on].Restart != ""
				if server != (d.Condition == types.ServiceConditionHealthy) {
					t.Errorf("%s: waits for %s until %s", at, on, d.Condition)
				}
			}
			if s.Restart != "" && s.HealthCheck == nil && s.Build == nil {
				t.Errorf("%s has no health check", at)
			}
		}
	}
}

// secretsOf maps the paths at which a service sees files to those that secrets.sh
// made, by the volumes that both mount.
func secretsOf(p *types.Project, drawn string, s types.ServiceConfig) map[string]string {
	folders := map[string]string{}
	for _, v := range p.Services["secrets"].Volumes {
		folders[v.Source] = path.Base(v.Target)
	}
	files := map[string]string{}
	for _, v := range s.Volumes {
		found, _ := filepath.Glob(filepath.Join(drawn, folders[v.Source], "*"))
		for _, f := range found {
			if text, err := os.ReadFile(f); err == nil && folders[v.Source] != "" {
				files[path.Join(v.Target, filepath.Base(f))] = string(text)
			}
		}
	}
	return files
}

// The programs take the settings, with the secrets that secrets.sh draws, and the
// containers give them the time that they need to stop.
func TestComposeSettings(t *testing.T) {
	p := project(t, "docker-compose.yml")
	drawn := t.TempDir()
	drawSecrets(t, drawn)
	ran := 0
	for name, s := range p.Services {
		if !strings.HasPrefix(s.Image, "gatehouse/") {
			continue
		}
		program, _, _ := strings.Cut(path.Base(s.Image), ":")
		args := []string(s.Command)
		if len(args) == 0 {
			args = []string{"serve"}
		}
		_, settings := built(t, program, args)
		env := map[string]string{}
		for setting, value := range s.Environment {
			env[setting] = *value
		}
		checkSettings(t, name, env, settings)
		ran++
		accepted(t, name, program, args, env, secretsOf(p, drawn, s))
		if args[0] == "serve" {
			checkGrace(t, name, time.Duration(*s.StopGracePeriod), 0, env, settings)
		}
	}
	if ran != 5 {
		t.Errorf("%d containers ran, want gateway, backend, bootstrap, migrate and seed", ran)
	}
}

// Two gateways or more stand behind one address, of a balancer that sends where they
// listen, asks where they answer, and is believed.
func TestBalancer(t *testing.T) {
	p := project(t, "docker-compose.yml")
	gateway, balancer := p.Services["gateway"], p.Services["balancer"]
	if n := gateway.Deploy.Replicas; n == nil || *n < 2 || len(gateway.Ports) > 0 {
		t.Errorf("gateways: %v, with ports %v", gateway.Deploy, gateway.Ports)
	}
	config := read(t, "deploy/docker/haproxy.cfg")
	_, settings := built(t, "gateway", nil)
	env := map[string]string{"GATEWAY_OPS_ADDR": ":9090"} // of the image
	for name, v := range gateway.Environment {
		env[name] = *v
	}
	for _, want := range []string{
		"gateway" + value(env, settings, "GATEWAY_TLS_ADDR"), "gateway" + env["GATEWAY_HTTP_ADDR"],
		"check port " + strings.TrimPrefix(env["GATEWAY_OPS_ADDR"], ":"), "httpchk GET /health/ready", "send-proxy-v2",
	} {
		if !strings.Contains(config, want) {
			t.Errorf("haproxy.cfg lacks %q", want)
		}
	}
	slots := regexp.MustCompile(`server-template gateway (\d+) `).FindStringSubmatch(config)
	if len(slots) != 2 {
		t.Fatal("haproxy.cfg has no slots for gateways")
	}
	if n, err := strconv.Atoi(slots[1]); err != nil || n < *gateway.Deploy.Replicas {
		t.Errorf("the balancer has %v slots for %d gateways", slots, *gateway.Deploy.Replicas)
	}
	for _, port := range balancer.Ports {
		if !strings.Contains(config, fmt.Sprintf("bind :%d\n", port.Target)) {
			t.Errorf("nothing listens on the published port %d", port.Target)
		}
	}
	if env["PROXY_PROTOCOL"] != "on" || env["TRUSTED_PROXIES"] != p.Networks["edge"].Ipam.Config[0].Subnet {
		t.Errorf("the gateways believe %s (PROXY_PROTOCOL=%s)", env["TRUSTED_PROXIES"], env["PROXY_PROTOCOL"])
	}
	if backend := p.Services["backend"]; *backend.Environment["TRUSTED_GATEWAYS"] != p.Networks["inner"].Ipam.Config[0].Subnet {
		t.Errorf("the backend believes %s", *backend.Environment["TRUSTED_GATEWAYS"])
	}
	if idle := duration(t, value(env, settings, "IDLE_TIMEOUT")); idle >= 5*time.Minute {
		t.Errorf("the balancer ends connections that gateways keep for %v", idle)
	}
}

// The images of Compose and of the overlay for development are the same.
func TestSameImages(t *testing.T) {
	p := project(t, "docker-compose.yml")
	for _, name := range []string{"postgres", "redis"} {
		if image := p.Services[name].Image; !strings.Contains(read(t, "deploy/kubernetes/overlays/dev/"+name+".yaml"), "image: "+image+"\n") {
			t.Errorf("%s is %s here, another one in Kubernetes", name, image)
		}
	}
}

// What was drawn stays, however often the containers start, and nobody but the
// service that a file is for can read it.
func TestSecretsAreDrawnOnce(t *testing.T) {
	dir := t.TempDir()
	draw := func() map[string]string {
		if out, err := exec.Command("sh", filepath.Join(root, "deploy/docker/secrets.sh"), dir).CombinedOutput(); err != nil {
			t.Fatalf("secrets.sh: %v\n%s", err, out)
		}
		files := map[string]string{}
		found, err := filepath.Glob(filepath.Join(dir, "*/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s may be read by others: %v", f, info.Mode())
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			files[f] = string(text)
		}
		return files
	}
	first := draw()
	if second := draw(); !maps.Equal(first, second) {
		t.Error("the second start has other secrets")
	}
	values := map[string]string{}
	for f, text := range first {
		if strings.Contains(f, "/private/") && !strings.Contains(f, "/tls.") {
			if values[text] != "" {
				t.Errorf("%s and %s are the same", f, values[text])
			}
			values[text] = f
		}
	}
	if len(values) < 10 {
		t.Errorf("only %d secrets were drawn", len(values))
	}
}
