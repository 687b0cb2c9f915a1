package web

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Request is one request on its way through a feature. It must not outlive the
// handler.
type Request struct {
	// ID ties the log lines of all processes together.
	ID string
	// Caller is who asks; zero on public routes.
	Caller token.Claims
	// ClientIP is the client's address as the gateway saw it.
	ClientIP string

	tenantHash string // the caller's tenant, in logs

	span *telemetry.Span // nil unless the request is recorded

	ctx      *fasthttp.RequestCtx
	context  context.Context
	cursors  *Cursors
	hashKeys [][]byte
	route    string
	replayed bool
	refusal  problem.Code // what was answered, if it was a problem
	stream   *stream      // the answer's body, if it is one
	socket   *Socket      // what the connection became, if it did
}

// Context ends at the request's deadline.
func (r *Request) Context() context.Context { return r.context }

// UserAgent returns at most 255 code points of the User-Agent header, with
// control characters and invalid UTF-8 replaced.
func (r *Request) UserAgent() string { return clean(string(r.ctx.UserAgent()), 255) }

// AcceptLanguage returns the Accept-Language header (RFC 9110 section 12.5.4) as it
// was sent.
func (r *Request) AcceptLanguage() string {
	return string(r.ctx.Request.Header.Peek("Accept-Language"))
}

// Origin returns who asks and from where.
func (r *Request) Origin() trail.Origin {
	return trail.Origin{Claims: r.Caller, RequestID: r.ID, IP: r.ClientIP, UserAgent: r.UserAgent()}
}

// Path returns a path parameter as it was sent.
func (r *Request) Path(name string) string {
	text, _ := r.ctx.UserValue(name).(string)
	return text
}

// PathUUID returns a path parameter. What is not a UUID in its usual form
// names nothing, so it is not found.
func (r *Request) PathUUID(name string) (uuid.UUID, error) {
	text := r.Path(name)
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, problem.New(problem.NotFound)
	}
	return id, nil
}

// envelope is the shape of every success.
type envelope struct {
	Message  string `json:"message"`
	Data     any    `json:"data"`
	Metadata any    `json:"metadata,omitempty"`
}

// Nothing is the data of an answer that has none.
type Nothing struct{}

// OK answers 200 with data.
func (r *Request) OK(message string, data any) error {
	return r.Answer(Answer{Message: message, Data: data})
}

// JSON answers with a body that needs no envelope. A 503 asks to come back in a
// second.
func (r *Request) JSON(status int, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if status == fasthttp.StatusServiceUnavailable {
		r.ctx.Response.Header.Set("Retry-After", "1")
	}
	r.ctx.SetStatusCode(status)
	r.ctx.SetContentType("application/json")
	r.ctx.Response.SetBodyRaw(encoded)
	return nil
}

// logProblem logs internal problems with their cause, the others only in
// detail.
func (r *Request) logProblem(log *slog.Logger, p *problem.Error) {
	level := slog.LevelDebug
	switch {
	case p.Code == problem.Internal:
		level = slog.LevelError
	case p.Code.Status() >= 500:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("request_id", r.ID), slog.String("route", r.route), slog.String("code", string(p.Code))}
	// The cause only: what the client is told may quote what it sent.
	if cause := p.Unwrap(); cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	log.LogAttrs(context.Background(), level, "problem", attrs...)
}

// writeError answers with a problem, and logs it.
func (r *Request) writeError(log *slog.Logger, err error) {
	p := problem.From(err)
	r.refusal = p.Code
	r.logProblem(log, p)

	allow := r.ctx.Response.Header.Peek("Allow") // set by the router for a 405
	r.ctx.Response.Reset()
	if len(allow) > 0 {
		r.ctx.Response.Header.SetBytesV("Allow", allow)
	}
	r.ctx.SetStatusCode(p.Code.Status())
	r.ctx.SetContentType(problem.ContentType)
	if s := p.RetryAfterSeconds(); s > 0 {
		r.ctx.Response.Header.Set("Retry-After", strconv.Itoa(s))
	}
	if p.Code.Status() == fasthttp.StatusUnauthorized {
		r.ctx.Response.Header.Set("WWW-Authenticate", challenge(p.Code))
	}
	r.ctx.Response.SetBodyRaw(p.AppendJSON(nil, string(r.ctx.URI().PathOriginal()), r.ID))
}

// challenge is the value of WWW-Authenticate (RFC 6750 section 3).
func challenge(code problem.Code) string {
	if code == problem.Unauthenticated {
		return `Bearer error="invalid_token"`
	}
	return "Bearer"
}
