package deploy

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// workflow is what this test wants to know of one.
type workflow struct {
	Permissions map[string]string `json:"permissions"`
	Jobs        map[string]struct {
		Timeout     int               `json:"timeout-minutes"`
		Uses        string            `json:"uses"`
		Permissions map[string]string `json:"permissions"`
		Steps       []struct {
			Uses string            `json:"uses"`
			Run  string            `json:"run"`
			With map[string]any    `json:"with"`
			Env  map[string]string `json:"env"`
		} `json:"steps"`
	} `json:"jobs"`
}

// Workflows call make for whatever a developer may want to do as well, pin what they
// use, may read and no more, and end.
func TestWorkflows(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9/-]*):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	pin := regexp.MustCompile(`(?m)uses: ([^@\s]+)@(\S+)(?: # (v\S+))?$`)
	commit := regexp.MustCompile(`^[0-9a-f]{40}$`)
	call := regexp.MustCompile(`make ([a-z/-]+)`)
	commits := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(files) != 3 {
		t.Fatalf("workflows %v, %v", files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		text := read(t, ".github/workflows/"+name)
		for _, m := range pin.FindAllStringSubmatch(text, -1) {
			if !commit.MatchString(m[2]) || m[3] == "" {
				t.Errorf("%s: %s is at %s %s, want a commit and its version", name, m[1], m[2], m[3])
			}
			if known := commits[m[1]]; known != "" && known != m[2] {
				t.Errorf("%s: %s is at two commits", name, m[1])
			}
			commits[m[1]] = m[2]
		}
		var w workflow
		if err := yaml.Unmarshal([]byte(text), &w); err != nil {
			t.Fatal(err)
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s may %v", name, w.Permissions)
		}
		for id, job := range w.Jobs {
			if len(job.Permissions) > 0 && name != "release.yml" {
				t.Errorf("%s: %s may %v", name, id, job.Permissions)
			}
			if job.Timeout == 0 && !strings.HasPrefix(job.Uses, "./") {
				t.Errorf("%s: %s may run for ever", name, id)
			}
			calls := 0
			for _, s := range job.Steps {
				for _, m := range call.FindAllStringSubmatch(s.Run, -1) {
					calls++
					if !targets[m[1]] {
						t.Errorf("%s: %s calls make %s, which there is not", name, id, m[1])
					}
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %s pastes into a shell: %s", name, id, s.Run)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: %s leaves its token behind", name, id)
				}
			}
			if calls == 0 && job.Uses == "" {
				t.Errorf("%s: %s does not call make", name, id)
			}
		}
	}
}
