// Package route compiles an OpenAPI document into the gateway's route table.
//
// The document is the whole policy: a path, method or content type that it
// does not have is refused at the edge, so adding an endpoint means adding it
// there and nowhere else. Of each operation the gateway reads
//
//	security      the key [] makes it public; otherwise a signed-in caller is needed
//	requestBody   whether a body is taken, and of which media types
//	x-rate-class  which limit applies (required)
//	x-max-body    largest body in bytes, 1 MiB when absent
//	x-timeout     longest wait for the backend, 10 s when absent; or an object
//	              with connect, response and total (see Timeouts)
//	x-websocket   true when a GET turns the connection into a WebSocket
//	x-served-by   "gateway" when the edge answers by itself
//	x-role        "admin" or "operator": who may call, any signed-in caller when absent
//
// and of the whole document
//
//	x-alias       {from: /api/, to: /api/v1/}: where else the paths under to answer
//
// A mistake in the document, such as an unknown extension value or two paths
// that no request could tell apart, is an error at start, and all mistakes are
// reported at once.
package route

import (
	"time"

	"gatehouse/gateway/internal/admission"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Class names the limit that an operation falls under.
type Class string

// The classes. Probe is for the cheap public operations that monitors and
// load balancers call all the time: only the flood guard limits it.
const (
	Auth    Class = "auth"
	Refresh Class = "refresh"
	Read    Class = "read"
	Write   Class = "write"
	Export  Class = "export"
	Admin   Class = "admin"
	Probe   Class = "probe"
)

// Defaults and bounds of the extensions.
const (
	DefaultMaxBody = 1 << 20 // bytes
	maxMaxBody     = 5 << 30

	DefaultTimeout = 10 * time.Second
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = time.Hour

	// bodilessLimit is the size above which a body that nobody wants is refused
	// as too large.
	bodilessLimit = 4096
)

// Route is one operation. Routes are shared by all requests and never change.
type Route struct {
	Method   string
	Template string // the path as the document writes it, base path included
	ID       string // operationId
	Class    Class

	// Public operations take no notice of who calls.
	Public bool
	// Role is the least role that may call; empty for any signed-in caller.
	Role token.Role
	// Local operations are answered by the gateway.
	Local bool
	// Implied operations are not in the document: HEAD where GET is, and
	// OPTIONS.
	Implied bool

	Timeouts
	// WebSocket operations turn the connection into one.
	WebSocket bool
	// Idempotent operations take an Idempotency-Key, with which a request may be
	// sent twice and is done once.
	Idempotent bool
	// MaxBody is the largest request body, in bytes.
	MaxBody int64
	// MediaTypes are the media types of the request body, in lower case, with
	// "*/*" and "text/*" as wildcards; empty when the operation takes no body.
	MediaTypes []string

	// Allow lists the methods of the path, for the Allow header.
	Allow string

	Metrics *telemetry.Route
	// Admission is where the gateway compares the operation's latency with its past;
	// the pipeline sets it before it serves.
	Admission *admission.Route
}

// Timeouts are how long a backend is waited for.
type Timeouts struct {
	// Timeout is the longest from the moment a backend is asked, the whole of a
	// streamed request included, until the answer begins.
	Timeout time.Duration
	// Connect is the longest that connecting may take; 0 for what the gateway's
	// settings say.
	Connect time.Duration
	// Response is the longest from the request's last byte until the answer
	// begins; 0 for no other bound than Timeout.
	Response time.Duration
	// Total is the longest that the answer's last byte may take; 0 for an answer
	// that may be streamed as long as it goes on.
	Total time.Duration
}

// TakesBody reports whether the document gives the operation a request body.
func (r *Route) TakesBody() bool { return len(r.MediaTypes) > 0 }

// Accepts reports whether a body of this content type is one the operation
// takes. Parameters such as charset are ignored.
func (r *Route) Accepts(contentType []byte) bool {
	media := mediaType(contentType)
	for _, m := range r.MediaTypes {
		if matchMedia(m, media) {
			return true
		}
	}
	return false
}

// mediaType cuts the parameters off a Content-Type value.
func mediaType(value []byte) []byte {
	for i, c := range value {
		if c == ';' {
			value = value[:i]
			break
		}
	}
	for len(value) > 0 && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// matchMedia compares ignoring ASCII case; pattern is in lower case and may
// end in "*".
func matchMedia(pattern string, media []byte) bool {
	if pattern == "*/*" {
		return len(media) > 0
	}
	if n := len(pattern) - 1; pattern[n] == '*' {
		if len(media) <= n {
			return false
		}
		pattern, media = pattern[:n], media[:n]
	}
	if len(pattern) != len(media) {
		return false
	}
	for i, c := range media {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != pattern[i] {
			return false
		}
	}
	return true
}
