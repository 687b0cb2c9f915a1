package config_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/config"
	"gatehouse/internal/goldentest"
)

var sections = []config.Section{
	{Title: "Gateway", Fields: config.Fields(&settings{})},
	{Title: "Store alone", Fields: config.Fields(store{})},
}

func TestEnvExample(t *testing.T) {
	t.Parallel()
	goldentest.Compare(t, "env.example", config.EnvExample(sections))
}

func TestTable(t *testing.T) {
	t.Parallel()
	goldentest.Compare(t, "table.md", config.Table(sections))
}

// TestSectionsTravelAsJSON: each process prints its own section, and another
// program renders the documents.
func TestSectionsTravelAsJSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(sections)
	if err != nil {
		t.Fatal(err)
	}
	var got []config.Section
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.EnvExample(sections), config.EnvExample(got)); diff != "" {
		t.Errorf(".env.example differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(config.Table(sections), config.Table(got)); diff != "" {
		t.Errorf("the table differs (-want +got):\n%s", diff)
	}
}

func TestSummaryHidesSecretsAndLeavesOutWhatHasNoValue(t *testing.T) {
	t.Parallel()
	var s settings
	if err := config.Load(&s, complete("HOSTS=a:1", "OPEN=false")); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range config.Summary(&s) {
		if a.Value.Kind() != slog.KindString {
			t.Errorf("%s has kind %v, want a string", a.Key, a.Value.Kind())
		}
		got[a.Key] = a.Value.String()
	}
	want := map[string]string{
		"APP_ENV": "production", "NAME": "gate", "WORKERS": "4", "BYTES": "9", "MEMORY": "19456", "RATIO": "0.5",
		"HOSTS": "[a:1]", "PROXIES": "[10.0.0.0/8]", "CACHE_TIMEOUT": "10ms", "STORE_TIMEOUT": "5s",
		"STORE_KEY": "(secret)", "LEVEL": "INFO", "OPEN": "false", "RATE": "{60/1m}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary differs (-want +got):\n%s", diff)
	}
}

func TestFieldsListsNestedStructsInOrder(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range config.Fields(&settings{}) {
		got = append(got, f.Name)
	}
	want := []string{
		"APP_ENV", "NAME", "WORKERS", "BYTES", "MEMORY", "RATIO", "OPEN", "HOSTS", "PROXIES", "LEVEL", "RATE",
		"CACHE_TIMEOUT", "STORE_TIMEOUT", "STORE_KEY", "BACKUP_KEY",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields differ (-want +got):\n%s", diff)
	}
}
