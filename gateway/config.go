package gateway

import (
	"os"
	"time"

	"gatehouse/api"
	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/keys"
	"gatehouse/gateway/internal/proxy"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/logtail"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Config is the settings of `gateway serve`.
type Config struct {
	AppEnv string `env:"APP_ENV" envDefault:"production" doc:"production also refuses secrets that are repetitive or known from examples" kind:"production or development"`

	TLSAddr      string        `env:"GATEWAY_TLS_ADDR" envDefault:":8443" doc:"Where HTTPS is served; off for nowhere" kind:"host:port or off"`
	HTTPAddr     string        `env:"GATEWAY_HTTP_ADDR" envDefault:"off" doc:"Where plain HTTP is served, for a load balancer that ends TLS or for development; off for nowhere" kind:"host:port or off"`
	OpsAddr      string        `env:"GATEWAY_OPS_ADDR" envDefault:"127.0.0.1:9090" doc:"Where operators find metrics, health and profiles; it has no authentication" kind:"host:port"`
	DocumentFile string        `env:"OPENAPI_FILE" doc:"OpenAPI document to serve instead of the built-in one" kind:"a path"`
	DrainDelay   time.Duration `env:"DRAIN_DELAY" envDefault:"5s" doc:"How long a stopping process still takes requests while it says that it is not ready, so that load balancers turn away first"`
	StopTimeout  time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"10s" doc:"Longest that a stopping process waits for requests under way"`

	TLS       TLSConfig
	Upstream  UpstreamTLSConfig
	Edge      edge.Config
	Limits    ratelimit.Config
	Admission edge.AdmissionConfig
	Proxy     proxy.Config
	Token     token.Config
	Keys      keys.Config
	Redis     redisconn.Config
	Log       logging.Config
	LogTail   logtail.Config
	Trace     telemetry.TraceConfig
	Sample    telemetry.SampleConfig
}

// off switches a listener off. An empty variable means its default.
const off = "off"

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Mode(c.AppEnv)
	c.validateListeners(m)
	for _, d := range []struct {
		name  string
		value time.Duration
		most  time.Duration
	}{{"DRAIN_DELAY", c.DrainDelay, 5 * time.Minute}, {"SHUTDOWN_TIMEOUT", c.StopTimeout, 5 * time.Minute}} {
		if d.value < 0 || d.value > d.most {
			m.Add(d.name, "is %v; 0s to %v is allowed", d.value, d.most)
		}
	}
	if c.DocumentFile != "" {
		if document, err := c.document(); err != nil {
			m.Add("OPENAPI_FILE", "is %s, which cannot be read: %v", c.DocumentFile, reasonOf(err))
		} else if table, err := route.Compile(document); err != nil {
			m.Add("OPENAPI_FILE", "is %s: %v", c.DocumentFile, err)
		} else if err := edge.CheckLocal(table, localOperations); err != nil {
			m.Add("OPENAPI_FILE", "is %s: %v", c.DocumentFile, err)
		}
	}
	c.Edge.Validate(m)
	c.Limits.Validate(m)
	c.Admission.Validate(m)
	c.Proxy.Validate(m)
	c.Token.ValidateBeside(m, c.Keys.On())
	c.Keys.Validate(m)
	c.Redis.Validate(m)
	c.Log.Validate(m)
	c.LogTail.Validate(m)
	c.Trace.Validate(m)
	c.Sample.Validate(m)
}

func (c *Config) validateListeners(m *config.Mistakes) {
	if !c.servesTLS() && !c.servesHTTP() {
		m.Add("GATEWAY_TLS_ADDR", "is off and so is GATEWAY_HTTP_ADDR; at least one listener is wanted")
	}
	for _, l := range []struct{ name, addr string }{
		{"GATEWAY_TLS_ADDR", c.TLSAddr}, {"GATEWAY_HTTP_ADDR", c.HTTPAddr}, {"GATEWAY_OPS_ADDR", c.OpsAddr},
	} {
		optional := l.name != "GATEWAY_OPS_ADDR"
		if !(optional && isOff(l.addr)) && !validAddr(l.addr) {
			m.Add(l.name, "is %q; host:port is wanted, such as 127.0.0.1:9090 or :8443", l.addr)
		}
	}
	if c.servesTLS() {
		c.TLS.Validate(m)
	}
	c.Upstream.Validate(m)
}

func (c *Config) servesTLS() bool  { return !isOff(c.TLSAddr) }
func (c *Config) servesHTTP() bool { return !isOff(c.HTTPAddr) }

func isOff(addr string) bool { return addr == "" || addr == off }

// document returns the OpenAPI document to serve.
func (c *Config) document() ([]byte, error) {
	if c.DocumentFile == "" {
		return api.Document, nil
	}
	return os.ReadFile(c.DocumentFile)
}
