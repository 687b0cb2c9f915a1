package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"gatehouse/internal/stack"
)

const gibibyte = 1 << 30

const largeFiles = `openapi: 3.1.0
info: {title: large files, version: "1"}
paths:
  /file:
    put:
      operationId: putFile
      security: []
      x-rate-class: write
      x-max-body: 1073741824
      x-timeout: 5m
      requestBody: {content: {application/octet-stream: {}}}
      responses: {"200": {description: stored}}
    get:
      operationId: getFile
      security: []
      x-rate-class: read
      x-timeout: 5m
      responses: {"200": {description: the file}}
`

// zeros reads as many zeros.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// BenchmarkStream sends a GiB through a gateway and gets one, with a length and in
// chunks, and tells how much more memory the gateway has had at most.
func BenchmarkStream(b *testing.B) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil || n != gibibyte {
				http.Error(w, "not all of it", http.StatusBadRequest)
			}
			return
		}
		if r.URL.RawQuery == "" {
			w.Header().Set("Content-Length", strconv.Itoa(gibibyte))
		}
		_, _ = io.Copy(w, zeros(gibibyte)) // the client counts
	}))
	defer origin.Close()
	document := filepath.Join(b.TempDir(), "openapi.yaml")
	if err := os.WriteFile(document, []byte(largeFiles), 0o600); err != nil {
		b.Fatal(err)
	}
	s := ownStack(b, stack.Options{Gateways: 1, Backends: -1, GatewayEnv: []string{
		"BACKENDS=" + origin.Listener.Addr().String(), "BACKEND_HEALTH_PATH=off", "OPENAPI_FILE=" + document,
	}})
	for name, c := range map[string]struct {
		method, query string
		length        int64
	}{
		"upload": {"PUT", "", gibibyte}, "upload in chunks": {"PUT", "", -1},
		"download": {"GET", "", 0}, "download in chunks": {"GET", "?chunks", 0},
	} {
		b.Run(name, func(b *testing.B) {
			before := residentMiB(b, s.Gateways[0].PID())
			b.SetBytes(gibibyte)
			for b.Loop() {
				var body io.Reader
				if c.length != 0 {
					body = zeros(gibibyte)
				}
				request, err := http.NewRequestWithContext(b.Context(), c.method, s.Gateways[0].HTTP+"/file"+c.query, body)
				if err != nil {
					b.Fatal(err)
				}
				request.ContentLength = c.length
				request.Header.Set("Content-Type", "application/octet-stream")
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK || c.method == http.MethodGet && n != gibibyte {
					b.Fatalf("%d with %d bytes, %v", answer.StatusCode, n, err)
				}
			}
			b.ReportMetric(memoryMiB(b, s.Gateways[0].PID(), peak)-before, "MiB-more")
		})
	}
}
