package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the checkout's root.
const root = "../../.."

// setting is one line of what `gateway settings` and `backend settings` print.
type setting struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	Secret  bool   `json:"secret"`
}

// program is one of ours, as the workspace builds it.
type program struct {
	path     string
	sections []map[string]setting
}

// programDir is where the programs are built.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gatehouse-deploy")
	if err != nil {
		panic(err)
	}
	programDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var programs = sync.OnceValues(func() (map[string]program, error) {
	all := map[string]program{}
	for _, name := range []string{"gateway", "backend"} {
		p := program{path: filepath.Join(programDir, name)}
		build := exec.Command("go", "build", "-pgo=off", "-o", p.path, "./"+name+"/cmd/"+name)
		build.Dir = root
		build.Env = append(os.Environ(), "GOWORK=") // the workspace's, not this module's
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		out, err := exec.Command(p.path, "settings").Output()
		if err != nil {
			return nil, err
		}
		var sections []struct {
			Fields []setting `json:"fields"`
		}
		if err := json.Unmarshal(out, &sections); err != nil {
			return nil, err
		}
		for _, s := range sections {
			settings := map[string]setting{}
			for _, f := range s.Fields {
				settings[f.Name] = f
				if f.Secret {
					settings[f.Name+"_FILE"] = setting{Name: f.Name + "_FILE"}
				}
			}
			p.sections = append(p.sections, settings)
		}
		all[name] = p
	}
	return all, nil
})

// built returns a program of ours and the settings of the command that a container
// or unit runs.
func built(t *testing.T, name string, args []string) (program, map[string]setting) {
	t.Helper()
	all, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	p, ok := all[name]
	if !ok {
		t.Fatalf("%s is no program of ours", name)
	}
	if name == "backend" && len(args) > 0 && args[0] != "serve" {
		return p, p.sections[1]
	}
	return p, p.sections[0]
}

// checkSettings wants settings that the program has, and secrets from files.
func checkSettings(t *testing.T, at string, env map[string]string, settings map[string]setting) {
	t.Helper()
	for name := range env {
		if name == "GOMEMLIMIT" { // the runtime's
			continue
		}
		if known, ok := settings[name]; !ok {
			t.Errorf("%s: there is no setting %s", at, name)
		} else if known.Secret {
			t.Errorf("%s: %s is not from a file", at, name)
		}
	}
}

// checkGrace wants the time that a process is given to stop to be a little more than
// what it may take, of which before passes until it is told.
func checkGrace(t *testing.T, at string, grace, before time.Duration, env map[string]string, settings map[string]setting) {
	t.Helper()
	stop := before + duration(t, value(env, settings, "DRAIN_DELAY")) + duration(t, value(env, settings, "SHUTDOWN_TIMEOUT"))
	if grace < stop+5*time.Second || grace > stop+15*time.Second {
		t.Errorf("%s: %v to stop, the process takes up to %v", at, grace, stop)
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// value is that of a setting, or its default.
func value(env map[string]string, settings map[string]setting, name string) string {
	if v := env[name]; v != "" {
		return v
	}
	return settings[name].Default
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// copyTree copies a folder of the repository to where a test may write.
func copyTree(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.CopyFS(to, os.DirFS(filepath.Join(root, path))); err != nil {
		t.Fatal(err)
	}
	return to
}

// drawSecrets fills a folder as docs/DEPLOYMENT_GUIDE.md says.
func drawSecrets(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("sh", filepath.Join(root, "deploy/docker/secrets.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, out)
	}
	p, _ := built(t, "backend", nil)
	keys := filepath.Join(dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.path, "keys", "init")
	cmd.Env = []string{"JWT_KEYS_DIR=" + keys}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("keys init: %v\n%s", err, out)
	}
}

// pinned says what is wrong with how an image is named.
func pinned(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if strings.HasPrefix(digest, "sha256:") && len(digest) == len("sha256:")+64 {
		return ""
	}
	ours := strings.Contains(name, "gatehouse/")
	_, tag, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	switch {
	case tag == "" || tag == "latest":
		return "has no tag"
	case !ours:
		return "has no digest"
	}
	return ""
}
