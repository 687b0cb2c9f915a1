package edge

import (
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/config"
)

// CORSConfig is which other web sites may call the API from a browser.
type CORSConfig struct {
	Origins     []string `env:"CORS_ALLOWED_ORIGINS" doc:"Web origins that may call the API from a browser, exact; * is any, without credentials" example:"https://app.example.com" kind:"a comma-separated list of https://host[:port]"`
	Credentials bool     `env:"CORS_ALLOW_CREDENTIALS" envDefault:"false" doc:"Whether browsers may send credentials of their own, such as client certificates"`
}

// Validate implements [config.Checked].
func (c *CORSConfig) Validate(m *config.Mistakes) {
	for _, origin := range c.Origins {
		if origin == "*" {
			if c.Credentials {
				m.Add("CORS_ALLOWED_ORIGINS", "is *, which cannot go with CORS_ALLOW_CREDENTIALS=true; list the origins")
			}
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Contains(u.Host, "*") ||
			origin != u.Scheme+"://"+strings.ToLower(u.Host) {
			m.Add("CORS_ALLOWED_ORIGINS", "holds %q; an origin such as https://app.example.com is wanted, in lower case and without a path", origin)
		}
	}
}

// What browsers may send and read.
const (
	corsMethods = "GET, POST, PUT, DELETE, OPTIONS"
	corsHeaders = "authorization, accept, content-type, x-tenant-id, x-request-id, idempotency-key, if-match"
	corsExposed = "x-request-id, etag, ratelimit, ratelimit-policy, retry-after, deprecation, sunset, link, " +
		"location, idempotency-replayed, content-disposition"
	corsMaxAge = "3600" // seconds
)

// CORS lets browsers show answers to pages of the allowed origins, errors
// included. A preflight is an OPTIONS request like any other further in, so an
// unknown path stays a 404; here its answer gets what the browser asked about.
func CORS(c CORSConfig) Step {
	allowed := make(map[string]bool, len(c.Origins))
	for _, origin := range c.Origins {
		allowed[origin] = true
	}
	anyOrigin := allowed["*"]
	return func(next Handler) Handler {
		if len(allowed) == 0 {
			return next
		}
		return func(ex *Exchange) {
			next(ex)
			h := &ex.Ctx.Response.Header
			if anyOrigin {
				if ex.Fields.Origin != nil {
					h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
					ex.allowCORS(false)
				}
				return
			}
			// The answer depends on Origin even when there is none: a cache must
			// not give this one to a browser.
			h.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
			if allowed[string(ex.Fields.Origin)] {
				h.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, ex.Fields.Origin)
				ex.allowCORS(c.Credentials)
			}
		}
	}
}

func (ex *Exchange) allowCORS(credentials bool) {
	h := &ex.Ctx.Response.Header
	if credentials {
		h.Set(fasthttp.HeaderAccessControlAllowCredentials, "true")
	}
	preflight := string(ex.Method) == fasthttp.MethodOptions && ex.Fields.PreflightMethod != nil
	if preflight && ex.Ctx.Response.StatusCode() == fasthttp.StatusNoContent {
		h.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
		h.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
		return
	}
	h.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
}
