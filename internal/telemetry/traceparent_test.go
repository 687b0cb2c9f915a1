package telemetry

import (
	"strings"
	"testing"
)

const (
	trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	span   = "00f067aa0ba902b7"
	parent = "00-" + trace + "-" + span + "-01"
)

func TestTraceID(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		parent:                             trace,
		"00-" + trace + "-" + span + "-00": trace,
		// Of a later version no more is known than that it begins alike.
		"01-" + trace + "-" + span + "-01":                    trace,
		"cc-" + trace + "-" + span + "-01-more":               trace,
		"01-" + trace + "-" + span + "-01.more":               "",
		"00-" + trace + "-" + span + "-01-more":               "",
		"ff-" + trace + "-" + span + "-01":                    "",
		"0x-" + trace + "-" + span + "-01":                    "",
		"00-" + trace + "-" + span + "-0G":                    "",
		"00-" + trace + "-" + span + "-0":                     "",
		"00-" + strings.ToUpper(parent[3:]):                   "",
		"00_" + parent[3:]:                                    "",
		"00-" + trace + "_" + span + "-01":                    "",
		"00-" + trace + "-" + span + "_01":                    "",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":  "",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01": "",
		"00-" + trace[:31] + "\n-" + span + "-01":             "",
		trace: "",
		"":    "",
	} {
		if got := TraceID([]byte(given)); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func FuzzTraceID(f *testing.F) {
	f.Add(parent)
	f.Add("01-" + trace + "-" + span + "-01-more")
	f.Fuzz(func(t *testing.T, given string) {
		id := TraceID([]byte(given))
		if id == "" {
			return
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || given[3:35] != id {
			t.Errorf("%q: got %q", given, id)
		}
	})
}
