package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// Answer is a success: the envelope and what goes with it in headers.
type Answer struct {
	Status   int // 200 when zero
	Message  string
	Data     any
	Location string // of a new object
	ETag     string // of a single object, see [ETag]
}

// ETag is the entity tag (RFC 9110 section 8.8.3) of a version of an object.
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// Encode returns the body of an answer.
func (a Answer) Encode() ([]byte, error) {
	return json.Marshal(envelope{Message: a.Message, Data: a.Data})
}

// Answer writes an answer.
func (r *Request) Answer(a Answer) error {
	body, err := a.Encode()
	if err != nil {
		return err
	}
	r.Encoded(a, body)
	return nil
}

// Encoded writes an answer whose body was encoded before.
func (r *Request) Encoded(a Answer, body []byte) {
	h := &r.ctx.Response.Header
	if a.Location != "" {
		h.Set("Location", a.Location)
	}
	if a.ETag != "" {
		h.Set("ETag", a.ETag)
	}
	if a.Status == 0 {
		a.Status = fasthttp.StatusOK
	}
	r.ctx.SetStatusCode(a.Status)
	r.ctx.SetContentType("application/json")
	r.ctx.Response.SetBodyRaw(body)
}

// Replayed marks the answer as one that was given before.
func (r *Request) Replayed() { r.replayed = true }

// Operation names the operation by method and path template, the same for the
// unversioned alias.
func (r *Request) Operation() string { return string(r.ctx.Method()) + " " + r.route }

// BodyHash is the SHA-256 of the raw body.
func (r *Request) BodyHash() []byte {
	sum := sha256.Sum256(r.ctx.Request.Body())
	return sum[:]
}

// maxIdempotencyKey is the longest Idempotency-Key, in bytes.
const maxIdempotencyKey = 255

// IdempotencyKey returns the Idempotency-Key header: 1 to 255 visible ASCII
// characters, or "" when there is none.
func (r *Request) IdempotencyKey() (string, error) {
	values := r.ctx.Request.Header.PeekAll("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := string(values[0])
	malformed := len(values) > 1 || len(key) == 0 || len(key) > maxIdempotencyKey ||
		strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' })
	if malformed {
		return "", malformedHeader("Idempotency-Key", "must be given once, with 1 to 255 visible ASCII characters")
	}
	return key, nil
}

func malformedHeader(name, message string) error {
	return &problem.Error{Code: problem.ValidationFailed,
		Fields: []problem.Field{{Name: name, Code: "malformed_header", Message: message}}}
}

// IfMatch returns the versions that the If-Match header allows, by the strong
// comparison of RFC 9110 section 13.1.1: nil when any will do, which is without
// the header or with *. A list that no version fits is not nil but empty.
func (r *Request) IfMatch() ([]int64, error) {
	var fields []string
	for _, v := range r.ctx.Request.Header.PeekAll("If-Match") {
		fields = append(fields, string(v))
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return parseIfMatch(strings.Join(fields, ","))
}

func parseIfMatch(list string) ([]int64, error) {
	if strings.Trim(list, " \t") == "*" {
		return nil, nil
	}
	versions := []int64{}
	for first := true; ; first = false {
		list = strings.TrimLeft(list, " \t")
		if !first {
			if list == "" {
				return versions, nil
			}
			if list[0] != ',' {
				break
			}
			list = strings.TrimLeft(list[1:], " \t")
		}
		rest, weak := strings.CutPrefix(list, "W/")
		rest, opened := strings.CutPrefix(rest, `"`)
		tag, rest, closed := strings.Cut(rest, `"`)
		if !opened || !closed {
			break
		}
		// Only what ETag makes can match.
		if v, err := strconv.ParseInt(tag, 10, 64); err == nil && !weak && ETag(v) == `"`+tag+`"` {
			versions = append(versions, v)
		}
		list = rest
	}
	return nil, malformedHeader("If-Match", `must be * or a list of entity tags such as "3"`)
}

// Body returns the request's body when it is of the media type; it must not be
// kept past the handler.
func (r *Request) Body(mediaTypes ...string) (body []byte, mediaType string, err error) {
	media, _, _ := bytes.Cut(r.ctx.Request.Header.ContentType(), []byte(";"))
	for _, want := range mediaTypes {
		if bytes.EqualFold(bytes.TrimSpace(media), []byte(want)) {
			return r.ctx.Request.Body(), want, nil
		}
	}
	return nil, "", problem.New(problem.UnsupportedMediaType)
}

// Stream answers 200 with a file that is read, and closed, after the handler has
// returned. When reading fails the connection is broken off, so that no client
// takes a part for the whole.
func (r *Request) Stream(contentType, filename string, body io.ReadCloser) {
	r.ctx.SetContentType(contentType)
	r.ctx.Response.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filename}))
	r.ctx.SetBodyStream(body, -1)
}

// StreamContext is like Context but outlives the handler. The cancel function is
// to be called when the stream is closed.
func (r *Request) StreamContext() (context.Context, context.CancelFunc) {
	deadline, _ := r.context.Deadline()
	return context.WithDeadline(context.WithoutCancel(r.context), deadline)
}
