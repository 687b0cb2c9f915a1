// Package problem holds the one shape of an error answer: RFC 9457 problem
// details with a code for machines and a sentence for people.
//
// Rules return a *[Error] where the caller can act on it. Any other error is
// internal: it is logged with its cause and shown as one fixed sentence.
package problem

import (
	"errors"
	"fmt"
	"time"
)

// Code identifies a kind of problem. Codes are part of the API.
type Code string

// The codes, with the status each is answered with in the table below.
const (
	InvalidJSON      Code = "invalid_json"
	ValidationFailed Code = "validation_failed"
	InvalidCursor    Code = "invalid_cursor"
	InvalidQuery     Code = "invalid_query"
	BadFraming       Code = "bad_framing"

	Unauthenticated     Code = "unauthenticated"
	InvalidCredentials  Code = "invalid_credentials"
	InvalidRefreshToken Code = "invalid_refresh_token"

	Forbidden      Code = "forbidden"
	TenantMismatch Code = "tenant_mismatch"
	SignupClosed   Code = "signup_closed"

	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	RequestTimeout       Code = "request_timeout"
	Conflict             Code = "conflict"
	InvalidState         Code = "invalid_state"
	IdempotencyRunning   Code = "idempotency_in_progress"
	Gone                 Code = "gone"
	PreconditionFailed   Code = "precondition_failed"
	BodyTooLarge         Code = "body_too_large"
	URITooLong           Code = "uri_too_long"
	UnsupportedMediaType Code = "unsupported_media_type"
	IdempotencyMismatch  Code = "idempotency_mismatch"
	NfeInvalid           Code = "nfe_invalid"
	RateLimited          Code = "rate_limited"
	HeadersTooLarge      Code = "headers_too_large"

	Internal     Code = "internal"
	BadGateway   Code = "bad_gateway"
	Unavailable  Code = "unavailable"
	Overloaded   Code = "overloaded"
	TenantMoving Code = "tenant_moving"
	Timeout      Code = "timeout"
)

type kind struct {
	code   Code
	status int
	title  string
	detail string // used when the error brings none
}

// kinds is the table that docs/errors.md is generated from.
var kinds = []kind{
	{InvalidJSON, 400, "Invalid JSON", "The request body is not valid JSON."},
	{ValidationFailed, 400, "Validation failed", "Some fields are missing or out of bounds; see errors."},
	{InvalidCursor, 400, "Invalid cursor", "The cursor is damaged, has expired, or belongs to another list, filter or sort order."},
	{InvalidQuery, 400, "Invalid query", "Some query parameters are unknown or out of bounds; see errors."},
	{BadFraming, 400, "Bad request", "The request line, the target or the headers are malformed."},
	{Unauthenticated, 401, "Not signed in", "Invalid token, please login again"},
	{InvalidCredentials, 401, "Wrong credentials", "Wrong username or password, please try again"},
	{InvalidRefreshToken, 401, "Invalid refresh token", "The refresh token is unknown, spent, expired or revoked."},
	{Forbidden, 403, "Forbidden", "Your role does not allow this."},
	{TenantMismatch, 403, "Tenant mismatch", "The X-Tenant-Id header names another tenant than the token."},
	{SignupClosed, 403, "Sign-up is closed", "The tenant takes no sign-ups, or the invitation does not hold."},
	{NotFound, 404, "Not found", "There is nothing here."},
	{MethodNotAllowed, 405, "Method not allowed", "This path does not answer to this method; see the Allow header."},
	{RequestTimeout, 408, "Request timeout", "The request did not arrive in time."},
	{Conflict, 409, "Conflict", "The change conflicts with what is stored."},
	{InvalidState, 409, "Invalid state", "What is stored does not allow this now."},
	{IdempotencyRunning, 409, "Still running", "A request with this Idempotency-Key is still being worked on; please retry."},
	{Gone, 410, "Gone", "This unversioned path is no longer served; see the Link header for its successor."},
	{PreconditionFailed, 412, "Precondition failed", "The object has changed since; read it again. See the If-Match header."},
	{BodyTooLarge, 413, "Body too large", "The request body is larger than this operation accepts."},
	{URITooLong, 414, "Target too long", "The request target is too long."},
	{UnsupportedMediaType, 415, "Unsupported media type", "The body is not of a media type that this operation takes."},
	{IdempotencyMismatch, 422, "Idempotency key reused", "This Idempotency-Key was used for another request."},
	{NfeInvalid, 422, "Invoice breaks rules", "The document breaks rules that it must keep for this step; see errors."},
	{RateLimited, 429, "Too many requests", "Too many requests; see the Retry-After header."},
	{HeadersTooLarge, 431, "Headers too large", "The request headers are too large."},
	{Internal, 500, "Internal error", "Something went wrong on our side. Quote the request ID when you report it."},
	{BadGateway, 502, "Bad gateway", "The service behind the gateway gave no usable answer."},
	{Unavailable, 503, "Unavailable", "The service is unavailable for the moment; please retry."},
	{Overloaded, 503, "Overloaded", "The service is at its limit; please retry."},
	{TenantMoving, 503, "Tenant is moving", "This tenant's data is being moved; please retry."},
	{Timeout, 504, "Timeout", "The service behind the gateway did not answer in time."},
}

var byCode = func() map[Code]kind {
	m := make(map[Code]kind, len(kinds))
	for _, k := range kinds {
		m[k.code] = k
	}
	return m
}()

// Codes returns every code, ordered by status.
func Codes() []Code {
	codes := make([]Code, len(kinds))
	for i, k := range kinds {
		codes[i] = k.code
	}
	return codes
}

// Status returns the HTTP status of a code; unknown codes are 500.
func (c Code) Status() int {
	if k, ok := byCode[c]; ok {
		return k.status
	}
	return 500
}

// Title returns the short, fixed name of a code.
func (c Code) Title() string { return byCode[c].title }

// Detail returns the sentence that is shown when an error brings none.
func (c Code) Detail() string { return byCode[c].detail }

// Field is one finding about the request. Name is a JSON pointer (RFC 6901)
// for bodies and a plain name for query parameters and headers.
type Field struct {
	Name    string
	Code    string
	Message string
}

// Error is a problem that the client can be told about.
type Error struct {
	Code   Code
	Detail string  // a sentence; empty means the code's own
	Fields []Field // all findings, in order

	// RetryAfter is sent rounded up to whole seconds, at least 1; zero sends
	// no header except for 503, which always carries one.
	RetryAfter time.Duration

	cause error
}

// New returns a problem with the code's own sentence.
func New(code Code) *Error { return &Error{Code: code} }

// Newf returns a problem with a sentence of its own. It is shown to clients.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns a problem that remembers its cause for the log.
func Wrap(code Code, cause error) *Error { return &Error{Code: code, cause: cause} }

// Error implements error for logs.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// From finds the problem in err. An error without one is internal, with err as
// its cause.
func From(err error) *Error {
	var p *Error
	if errors.As(err, &p) {
		return p
	}
	return Wrap(Internal, err)
}

// Is reports whether err is a problem with this code.
func Is(err error, code Code) bool {
	var p *Error
	return errors.As(err, &p) && p.Code == code
}

// RetryAfterSeconds returns the value of the Retry-After header, or 0 for none.
func (e *Error) RetryAfterSeconds() int {
	if e.RetryAfter > 0 {
		return int((e.RetryAfter-1)/time.Second) + 1
	}
	if e.Code.Status() == 503 {
		return 1
	}
	return 0
}
