package nfe

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestPageHasEveryRule(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/nfe-findings.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(page), Table()) {
		t.Error("docs/nfe-findings.md is stale: run go generate ./backend/internal/nfe/...")
	}
}

var (
	ruleForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?$`)
	codeForm = regexp.MustCompile(`^[1-9][0-9]{2}$`)
)

func TestRulesAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[RuleID]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s occurs twice", r.ID)
		}
		seen[r.ID] = true
		if !ruleForm.MatchString(string(r.ID)) || r.Severity != Error && r.Severity != Warning {
			t.Errorf("%+v has another form", r)
		}
		for _, text := range []string{r.English, r.Portuguese} {
			if !strings.HasSuffix(text, ".") || strings.Contains(text, "|") {
				t.Errorf("%s: %q is no sentence", r.ID, text)
			}
		}
		for _, code := range r.Codes {
			if !codeForm.MatchString(code) {
				t.Errorf("%s: %q is no rejection", r.ID, code)
			}
		}
	}
}
