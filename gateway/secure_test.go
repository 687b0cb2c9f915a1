package gateway

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// secureLines are the headers that every answer has once, whatever a backend
// says, in the order in which they are sent.
const secureLines = "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n" +
	"Cross-Origin-Embedder-Policy: require-corp\r\n" +
	"Cross-Origin-Opener-Policy: same-origin\r\n" +
	"Cross-Origin-Resource-Policy: same-origin\r\n" +
	"Permissions-Policy: accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(), " +
	"display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), " +
	"idle-detection=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()\r\n" +
	"Referrer-Policy: no-referrer\r\n" +
	"X-Content-Type-Options: nosniff\r\n" +
	"X-Dns-Prefetch-Control: off\r\n" +
	"X-Frame-Options: DENY\r\n" +
	"X-Permitted-Cross-Domain-Policies: none\r\n"

func TestSecureHeadersAreOursOnEveryAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		for line := range strings.SplitSeq(strings.TrimSuffix(secureLines, "\r\n"), "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			ctx.Response.Header.Set(name, "weak")
		}
		if string(ctx.Path()) == "/things" {
			ctx.SetStatusCode(http.StatusNoContent)
		}
	})
	bearer := "Authorization: " + r.bearer(t)["Authorization"] + "\r\n"
	for _, request := range []string{
		"GET /probe HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n",
		"HEAD /probe HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n",
		"GET /things HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n" + bearer + "\r\n",
		"GET /nowhere HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n",
		"GET /things HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n", // no token
		"GET /probe HTTP/1.1\r\nConnection: close\r\n\r\n",                        // no host
	} {
		answer := rawAnswer(t, r, request)
		if got := strings.Count(answer, secureLines); got != 1 {
			t.Errorf("%.40q: the secure headers come %d times, want once:\n%s", request, got, answer)
		}
		if strings.Contains(answer, "weak") {
			t.Errorf("%.40q: the backend's headers crossed:\n%s", request, answer)
		}
	}
}

// rawAnswer returns what comes back until the gateway closes the connection.
func rawAnswer(t *testing.T, r *rig, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
