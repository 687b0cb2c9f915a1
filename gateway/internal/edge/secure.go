package edge

import "github.com/valyala/fasthttp"

// header is a name in canonical form and its value.
type header struct{ name, value []byte }

// secureHeaders are what the OWASP Secure Headers Project recommends, read for
// an API that serves no pages: nothing may be loaded, framed, sniffed, shared
// or remembered. X-Frame-Options stays for browsers that know no
// frame-ancestors. Clear-Site-Data is left out: there are no cookies, and it is
// for sign-out pages only.
var secureHeaders = []header{
	{[]byte("Content-Security-Policy"), []byte("default-src 'none'; frame-ancestors 'none'")},
	{[]byte("Cross-Origin-Embedder-Policy"), []byte("require-corp")},
	{[]byte("Cross-Origin-Opener-Policy"), []byte("same-origin")},
	{[]byte("Cross-Origin-Resource-Policy"), []byte("same-origin")},
	{[]byte("Permissions-Policy"), []byte("accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(), " +
		"display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), " +
		"idle-detection=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), " +
		"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()")},
	{[]byte("Referrer-Policy"), []byte("no-referrer")},
	{[]byte("X-Content-Type-Options"), []byte("nosniff")},
	{[]byte("X-Dns-Prefetch-Control"), []byte("off")},
	{[]byte("X-Frame-Options"), []byte("DENY")},
	{[]byte("X-Permitted-Cross-Domain-Policies"), []byte("none")},
}

// pagePolicy is for pages of the gateway's own: everything comes from this gateway,
// and nothing is inline. Style sheets have pictures in them.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var noStore = header{[]byte(fasthttp.HeaderCacheControl), []byte("no-store")}

// Secure sets the security headers on every answer, over whatever a backend
// says. Strict-Transport-Security goes out on encrypted connections only
// (RFC 6797 section 7.2). Answers are not stored unless their maker says how.
func Secure(hsts HSTS) Step {
	transportSecurity := header{[]byte(fasthttp.HeaderStrictTransportSecurity), []byte(hsts.value)}
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			next(ex)
			h := &ex.Ctx.Response.Header
			if ex.Page {
				pageBlock.set(h)
			} else {
				secureBlock.set(h)
			}
			if ex.Secure && len(transportSecurity.value) > 0 {
				h.SetCanonical(transportSecurity.name, transportSecurity.value)
			}
			if len(h.PeekCanonical(noStore.name)) == 0 {
				h.SetCanonical(noStore.name, noStore.value)
			}
		}
	}
}
