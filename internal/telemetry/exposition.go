package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/buildinfo"
)

// Write writes all metrics of the process in Prometheus's text format, the
// families ordered by name and each after its type and help from [Table]. More is
// called, if it is not nil, to add samples of its own.
//
// The library writes the samples. Of the metadata it knows the type alone, and it
// scatters a family whose series lie in several sets.
func Write(w io.Writer, more func(w io.Writer)) error {
	var samples bytes.Buffer
	metrics.WritePrometheus(&samples, true)
	metrics.WriteFDMetrics(&samples)
	fmt.Fprintf(&samples, "gatehouse_build_info{version=%q} 1\n", buildinfo.Version)
	if more != nil {
		more(&samples)
	}
	families := map[string][]byte{}
	for line := range bytes.Lines(samples.Bytes()) {
		name := seriesName(line)
		if m, ok := Find(name); ok {
			name = m.Name
		}
		families[name] = append(families[name], line...)
	}
	var out bytes.Buffer
	out.Grow(samples.Len() + 100*len(families))
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if m, ok := byName[name]; ok {
			fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", name, helpEscaper.Replace(m.Help), name, m.Type)
		}
		out.Write(families[name])
	}
	_, err := w.Write(out.Bytes())
	return err
}

// helpEscaper is for what the format gives a meaning in a help text.
var helpEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// seriesName returns the name that a line of the text format begins with.
func seriesName(line []byte) string {
	if end := bytes.IndexAny(line, "{ "); end >= 0 {
		return string(line[:end])
	}
	return string(line)
}
