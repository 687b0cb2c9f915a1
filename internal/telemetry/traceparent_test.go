package telemetry

import (
	"strings"
	"testing"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	span    = "00f067aa0ba902b7"
	parent  = "00-" + traceID + "-" + span + "-01"
)

func TestTraceID(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		parent:                               traceID,
		"00-" + traceID + "-" + span + "-00": traceID,
		// Of a later version no more is known than that it begins alike.
		"01-" + traceID + "-" + span + "-01":                    traceID,
		"cc-" + traceID + "-" + span + "-01-more":               traceID,
		"01-" + traceID + "-" + span + "-01.more":               "",
		"00-" + traceID + "-" + span + "-01-more":               "",
		"ff-" + traceID + "-" + span + "-01":                    "",
		"0x-" + traceID + "-" + span + "-01":                    "",
		"00-" + traceID + "-" + span + "-0G":                    "",
		"00-" + traceID + "-" + span + "-0":                     "",
		"00-" + strings.ToUpper(parent[3:]):                     "",
		"00_" + parent[3:]:                                      "",
		"00-" + traceID + "_" + span + "-01":                    "",
		"00-" + traceID + "-" + span + "_01":                    "",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":    "",
		"00-" + traceID + "-" + strings.Repeat("0", 16) + "-01": "",
		"00-" + traceID[:31] + "\n-" + span + "-01":             "",
		traceID: "",
		"":      "",
	} {
		if got := TraceID([]byte(given)); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func FuzzTraceID(f *testing.F) {
	f.Add(parent)
	f.Add("01-" + traceID + "-" + span + "-01-more")
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
