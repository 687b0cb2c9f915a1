package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"gatehouse/loadtest/load"
	"gatehouse/loadtest/machine"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// kind is a proxy that can be measured.
type kind struct {
	name    string
	program string
	needs   string // a file that must be there besides, if any
	install string
	about   string
	start   func(b *bench, p *proxy) error
}

// missing names what is not installed, or nothing.
func (k *kind) missing() string {
	if k.program == "" {
		return ""
	}
	if _, err := exec.LookPath(k.program); err != nil {
		return k.program
	}
	if k.needs != "" {
		if _, err := os.Stat(k.needs); err != nil {
			return k.needs
		}
	}
	return ""
}

// proxy is one that runs.
type proxy struct {
	name, about string
	plain, tls  string // addresses; tls may be empty
	ops         string // address of the gateway's figures and profiles
	cmd         *exec.Cmd
}

func (p *proxy) pid() int { return p.cmd.Process.Pid }

// start starts a proxy on the core for proxies and waits until it answers.
func (b *bench) start(ctx context.Context, k *kind) (_ *proxy, err error) {
	p := &proxy{name: k.name, about: k.about}
	if p.plain, err = b.port(); err != nil {
		return nil, err
	}
	if p.tls, err = b.port(); err != nil {
		return nil, err
	}
	if err := k.start(b, p); err != nil {
		return nil, err
	}
	if err := p.ready(ctx, b.known[0]); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// exec runs a program on the core for proxies; what it says goes to a file of
// its own.
func (p *proxy) exec(b *bench, env []string, program string, args ...string) error {
	out, err := os.Create(b.path(p.name + ".out"))
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd = exec.Command("taskset", append([]string{"-c", machine.Core, program}, args...)...)
	p.cmd.Dir = b.dir
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = orphaned()
	return p.cmd.Start()
}

func (p *proxy) ready(ctx context.Context, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		var c *load.Client
		if c, last = load.Dial(ctx, p.plain, nil); last == nil {
			last = c.Do(request, checkAnswer)
			c.Close()
			if last == nil {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(p.cmd.Dir + "/" + p.name + ".out")
	return fmt.Errorf("is not ready: %w\n%s", last, said)
}

// stop asks the proxy to end and makes it.
func (p *proxy) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer force.Stop()
	_ = p.cmd.Wait() // how it ended changes nothing any more
}

// facts are what the configurations are made of.
type facts struct {
	Dir, Name            string
	Plain, TLS           string
	Origin, Secret       string
	RedisHost, RedisPort string
	RedisPassword        string
}

var (
	//go:embed configs/nginx.conf
	nginxConf string
	//go:embed configs/lua.conf
	luaConf string
	//go:embed configs/haproxy.cfg
	haproxyConf string
)

func (b *bench) facts(p *proxy) (facts, error) {
	url := b.redis.URL()
	m := regexp.MustCompile(`^redis://[^:]*:([^@]*)@([^:/]+):(\d+)`).FindStringSubmatch(url)
	if m == nil {
		return facts{}, errors.New("the URL of Redis is not understood")
	}
	return facts{
		Dir: b.dir, Name: p.name, Plain: p.plain, TLS: p.tls, Origin: b.origin.Addr().String(), Secret: b.secret,
		RedisPassword: m[1], RedisHost: m[2], RedisPort: m[3],
	}, nil
}

// configure writes a proxy's configuration and returns the file's name.
func (b *bench) configure(p *proxy, text string) (string, error) {
	f, err := b.facts(p)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := template.Must(template.New(p.name).Parse(text)).Execute(&out, f); err != nil {
		return "", err
	}
	name := b.path(p.name + ".conf")
	return name, os.WriteFile(name, []byte(out.String()), 0o600)
}

const luaModule = "/usr/lib/nginx/modules/ngx_http_lua_module.so"

var nginx = kind{
	name: "nginx", program: "nginx", install: "apt-get install nginx-light",
	about: "plain proxy: keep-alive to the origin, no access log",
	start: func(b *bench, p *proxy) error { return startNginx(b, p, nginxConf) },
}

var lua = kind{
	name: "nginx+lua", program: "nginx", needs: luaModule, install: "apt-get install nginx-light libnginx-mod-http-lua",
	about: "a Redis round trip for each request (INCR), headers; no token is verified",
	start: func(b *bench, p *proxy) error {
		p.tls = ""
		return startNginx(b, p, luaConf)
	},
}

func startNginx(b *bench, p *proxy, text string) error {
	conf, err := b.configure(p, text)
	if err != nil {
		return err
	}
	return p.exec(b, os.Environ(), "nginx", "-p", b.dir, "-c", conf, "-e", "stderr")
}

var haproxy = kind{
	name: "haproxy", program: "haproxy", install: "apt-get install haproxy",
	about: "token verified (HS256) for each request, limit of its own by user, headers, no log",
	start: func(b *bench, p *proxy) error {
		p.tls = ""
		conf, err := b.configure(p, haproxyConf)
		if err != nil {
			return err
		}
		return p.exec(b, os.Environ(), "haproxy", "-db", "-f", conf)
	},
}

// limitsFile has limits that this load does not meet: what is measured is
// counting, not refusing.
const limitsFile = `{
  "address": {"public": {"limit": "W"}, "auth": {"limit": "W"}, "refresh": {"limit": "W"}, "address": {"limit": "W"}},
  "plans": {
    "free":     {"tenant": {"limit": "W"}, "user": {"limit": "W"}, "read": {"limit": "W"}},
    "standard": {"tenant": {"limit": "W"}, "user": {"limit": "W"}, "read": {"limit": "W"}},
    "premium":  {"tenant": {"limit": "W"}, "user": {"limit": "W"}, "read": {"limit": "W"}}
  }
}`

// startGateway starts a gateway with everything on, as production has it but for
// the wide limits.
func startGateway(b *bench, p *proxy, program string) (err error) {
	p.about = "everything on: token, revocation, all limits by Redis, headers, request ID, metrics, access log to a file"
	if p.ops, err = b.port(); err != nil {
		return err
	}
	limits := b.path("limits.json")
	if err := os.WriteFile(limits, []byte(strings.ReplaceAll(limitsFile, "W", "600000/1m,100000000")), 0o600); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(p.plain)
	if err != nil {
		return err
	}
	return p.exec(b, []string{
		"PATH=" + os.Getenv("PATH"), "JWT_SECRET=" + b.secret, "LOG_HASH_KEY=" + b.secret,
		"LOG_FILE=" + b.path(p.name+"-"+port+".log"), "REDIS_URL=" + b.redis.URL(), "BACKENDS=" + b.origin.Addr().String(),
		"GATEWAY_HTTP_ADDR=" + p.plain, "GATEWAY_TLS_ADDR=" + p.tls, "GATEWAY_OPS_ADDR=" + p.ops,
		"TLS_CERT_FILE=" + b.path("cert.pem"), "TLS_KEY_FILE=" + b.path("key.pem"), "RATE_LIMIT_FILE=" + limits,
		// Redis shares its core with the load, and is to decide all the same.
		"REDIS_TIMEOUT=1s",
		"ADMISSION_MIN=512", // as many as there are connections, since the other proxies refuse nothing
		"MAX_CONNECTIONS_PER_ADDRESS=20000", "TOKEN_CACHE_TOKENS=20000", "DRAIN_DELAY=0s", "SHUTDOWN_TIMEOUT=2s",
	}, program)
}
