package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"mime"
	"slices"
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

// Hashes are an HMAC-SHA-256 of the versioned path and the raw body under each
// key: requests that have one in common ask for the same. The first is for
// storing; a body may hold a password, which nobody should be able to guess from
// it.
func (r *Request) Hashes() [][]byte {
	path := string(r.ctx.URI().PathOriginal())
	if rest, ok := strings.CutPrefix(path, aliasPrefix); ok && !strings.HasPrefix(path, prefix) {
		path = prefix + rest
	}
	hashes := make([][]byte, 0, len(r.hashKeys))
	for _, key := range r.hashKeys {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(path))
		h.Write([]byte{0}) // in no path
		h.Write(r.ctx.Request.Body())
		hashes = append(hashes, h.Sum(nil))
	}
	return hashes
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

// parseIfMatch reads a list of entity tags. As RFC 9110 section 5.6.1.2 asks of
// recipients, empty members are skipped; there must be one that is not.
func parseIfMatch(list string) ([]int64, error) {
	const space = " \t"
	malformed := malformedHeader("If-Match", `must be * or a list of entity tags such as "3"`)
	list = strings.Trim(list, space)
	if list == "*" {
		return nil, nil
	}
	versions, tags := []int64{}, 0
	for {
		list = strings.TrimLeft(list, space+",")
		if list == "" {
			break
		}
		rest, weak := strings.CutPrefix(list, "W/")
		rest, opened := strings.CutPrefix(rest, `"`)
		tag, rest, closed := strings.Cut(rest, `"`)
		list = strings.TrimLeft(rest, space)
		if !opened || !closed || !isTag(tag) || list != "" && list[0] != ',' {
			return nil, malformed
		}
		tags++
		// Only what ETag makes can match.
		if v, err := strconv.ParseInt(tag, 10, 64); err == nil && !weak && ETag(v) == `"`+tag+`"` {
			versions = append(versions, v)
		}
	}
	if tags == 0 {
		return nil, malformed
	}
	return versions, nil
}

// isTag reports whether s may stand between the quotes of an entity tag (etagc
// of RFC 9110 section 8.8.3).
func isTag(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '"' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// jsonType is the media type of most bodies.
const jsonType = "application/json"

// Body returns the request's body and its media type when that is one of those
// given. The body is UTF-8 as far as the client says so, and it must not be kept
// past the handler.
func (r *Request) Body(mediaTypes ...string) (body []byte, mediaType string, err error) {
	if given := r.ctx.Request.Header.ContentType(); string(given) == mediaTypes[0] { // most say no more
		return r.ctx.Request.Body(), mediaTypes[0], nil
	}
	mediaType, params, err := mime.ParseMediaType(string(r.ctx.Request.Header.ContentType()))
	if err != nil || !slices.Contains(mediaTypes, mediaType) {
		return nil, "", problem.New(problem.UnsupportedMediaType)
	}
	switch charset := params["charset"]; strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
	default:
		return nil, "", problem.Newf(problem.UnsupportedMediaType, "The body must be in UTF-8.")
	}
	return r.ctx.Request.Body(), mediaType, nil
}
