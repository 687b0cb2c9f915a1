package redisconn

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // these wait more than they work
	code := m.Run()
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of what a client did not stop. The library
// takes up to a second to end.
func leftGoroutines() string {
	deadline := time.Now().Add(10 * time.Second)
	for {
		var left []string
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if !strings.Contains(stack, "TestMain") &&
				(strings.Contains(stack, "redisconn.") || strings.Contains(stack, "go-redis/")) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// budget is the timeout of the tests' clients. It is longer than production's,
// so that a busy machine does not make Redis look dead.
const budget = 500 * time.Millisecond

func open(t *testing.T, url string, log *lines) *Client {
	t.Helper()
	c, err := Open(Config{URL: config.Secret(url), Timeout: budget}, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// ask makes one request as the processes do.
func ask(t *testing.T, c *Client) error {
	t.Helper()
	ctx, cancel := c.Bound(t.Context())
	defer cancel()
	return shown(t, c.Get(ctx, "key").Err())
}

// shown fails the test when err is one that callers must not see.
func shown(t *testing.T, err error) error {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), (&final{errors.New("")}).Error()) {
		t.Errorf("a caller sees %q", err)
	}
	return err
}

// until asks until the outcome is what is wanted.
func until(t *testing.T, c *Client, what string, wanted func(error) bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ask(t, c)
		if wanted(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %v", what, err)
		}
		time.Sleep(time.Millisecond)
	}
}

func isOpen(err error) bool   { return errors.Is(err, ErrOpen) }
func isAnswer(err error) bool { return errors.Is(err, redis.Nil) }

// freeAddr returns an address that nobody listens on but this test.
func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := stack.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Release)
	return port.Addr()
}

// mute is a server that accepts connections and never answers.
type mute struct {
	ln       net.Listener
	accepted atomic.Int32

	mu    sync.Mutex
	conns []net.Conn
}

func newMute(t *testing.T) *mute {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mute{ln: ln}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
		for _, conn := range s.conns {
			_ = conn.Close()
		}
	})
	return s
}

func TestClientReachesRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	server.RequireUserAuth("gate", "hunter2")
	c := open(t, "redis://gate:hunter2@"+server.Addr()+"/3", &lines{})
	if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := server.DB(3).Get("key"); got != "value" || err != nil {
		t.Errorf("database 3 has %q, %v, want the value", got, err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestOpenDoesNotWaitForRedis(t *testing.T) {
	t.Parallel()
	s := newMute(t)
	c := open(t, "redis://"+s.ln.Addr().String(), &lines{})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := s.accepted.Load(); n != 0 {
		t.Errorf("%d connections before the first request, want none", n)
	}
}

func TestBoundIsTheBudget(t *testing.T) {
	t.Parallel()
	c := open(t, "redis://"+freeAddr(t), &lines{})
	before := time.Now()
	ctx, cancel := c.Bound(t.Context())
	defer cancel()
	deadline, ok := ctx.Deadline()
	if !ok || deadline.Before(before.Add(budget)) || deadline.After(time.Now().Add(budget)) {
		t.Errorf("the deadline is %v from now, want %v", time.Until(deadline), budget)
	}
}

// TestRefusedIsFastAndOpensTheBreaker: with the library's own settings a refused
// call takes 1.7 s.
func TestRefusedIsFastAndOpensTheBreaker(t *testing.T) {
	t.Parallel()
	log := &lines{}
	c := open(t, "redis://"+freeAddr(t), log)
	start := time.Now()
	for i := range tripAfter {
		if err := ask(t, c); err == nil || isOpen(err) {
			t.Fatalf("call %d: %v, want the dial's error", i, err)
		}
	}
	if err := ask(t, c); !isOpen(err) {
		t.Errorf("after %d failures: %v, want %v", tripAfter, err, ErrOpen)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("four calls took %v", took)
	}
	if err := c.Check(t.Context()); !errors.Is(err, ErrOpen) {
		t.Errorf("Check: %v, want %v", err, ErrOpen)
	}
}

// TestHungCostsItsBudgetAndThenNothing: with the library's own settings a call
// to a hung server takes 5 s, whatever its context says.
func TestHungCostsItsBudgetAndThenNothing(t *testing.T) {
	t.Parallel()
	s := newMute(t)
	c := open(t, "redis://"+s.ln.Addr().String(), &lines{})
	for i := range tripAfter {
		start := time.Now()
		if err := ask(t, c); err == nil || i == 0 && isOpen(err) {
			t.Fatalf("call %d: %v, want a timeout", i, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("call %d took %v, want about the budget of %v at most", i, took, budget)
		}
	}

	// Now calls fail without touching the socket. The probe alone connects, at
	// most once every 200 ms.
	before, start := s.accepted.Load(), time.Now()
	const calls = 10_000
	for range calls {
		if err := ask(t, c); !isOpen(err) {
			t.Fatalf("got %v, want %v", err, ErrOpen)
		}
	}
	took := time.Since(start)
	probes := int32(took/probeEvery) + 2
	if n := s.accepted.Load() - before; n > probes {
		t.Errorf("%d connections within %v, want at most %d by the probe", n, took, probes)
	}
	if took > 10*time.Second {
		t.Errorf("%d refusals took %v", calls, took)
	}
}

// TestBreakerStaysOpenWhileRedisHangs: it is Redis that the probe asks.
func TestBreakerStaysOpenWhileRedisHangs(t *testing.T) {
	t.Parallel()
	s := newMute(t)
	log := &lines{}
	c := open(t, "redis://"+s.ln.Addr().String(), log)
	until(t, c, "without an answer", isOpen)
	deadline := time.Now().Add(20 * time.Second)
	for before := s.accepted.Load(); s.accepted.Load() < before+3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no probe reaches the server")
		}
	}
	if err := ask(t, c); !isOpen(err) {
		t.Errorf("after three probes without an answer: %v", err)
	}
	if strings.Contains(log.String(), "answers again") {
		t.Errorf("silence is taken for an answer:\n%s", log)
	}
}

// TestOnePoolServesAll: the probe speaks for pipelines, too.
func TestOnePoolServesAll(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := open(t, "redis://"+server.Addr(), &lines{})
	ctx := t.Context()
	if err := c.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "key"); return nil }); err != nil {
		t.Fatal(err)
	}
	if n := server.TotalConnectionCount(); n != 1 {
		t.Errorf("a command and a pipeline after it took %d connections, want 1", n)
	}
}

// TestBudgetIsShorterThanTheTimeoutOfAConnection: a call ends with its context,
// not when its connection gives up after 50 ms. The fastest of some calls tells,
// however busy the machine is.
func TestBudgetIsShorterThanTheTimeoutOfAConnection(t *testing.T) {
	t.Parallel()
	s := newMute(t)
	fastest := time.Hour
	for range 20 {
		c, err := Open(Config{URL: config.Secret("redis://" + s.ln.Addr().String()), Timeout: 5 * time.Millisecond}, (&lines{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := ask(t, c); err == nil {
			t.Error("a hung server answers")
		}
		fastest = min(fastest, time.Since(start))
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if fastest >= 50*time.Millisecond {
		t.Errorf("with a budget of 5 ms the fastest call took %v", fastest)
	}
}

// TestCallersOfAHungServerDoNotQueue: more callers than connections wait no
// longer than their budget either.
func TestCallersOfAHungServerDoNotQueue(t *testing.T) {
	t.Parallel()
	s := newMute(t)
	c := open(t, "redis://"+s.ln.Addr().String()+"?pool_size=2", &lines{})
	start := time.Now()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := ask(t, c); err == nil {
				t.Error("a hung server answers")
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("100 callers took %v with a budget of %v", took, budget)
	}
}

func TestClientRecoversByItself(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c := open(t, "redis://"+addr, &lines{})
	for range 2 {
		until(t, c, "while Redis runs", isAnswer)
		server.Close()
		until(t, c, "after Redis stopped", isOpen)
		if err := server.StartAddr(addr); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		until(t, c, "after Redis came back", isAnswer)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the recovery took %v, want about a second", took)
		}
	}
}

// TestEverySwitchIsToldOnce: many callers find Redis gone at once, so that the
// library's pool stops dialling, too. The breaker must not close before requests
// get through, or it would open at once again.
func TestEverySwitchIsToldOnce(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	log := &lines{}
	c := open(t, "redis://"+addr+"?pool_size=4", log)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for !isOpen(ask(t, c)) {
			}
		})
	}
	wg.Wait()
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	until(t, c, "after Redis came up", isAnswer)
	for range 100 {
		if err := ask(t, c); !isAnswer(err) {
			t.Fatalf("after the recovery: %v", err)
		}
	}
	text := log.String()
	if down, up := strings.Count(text, "level=WARN"), strings.Count(text, "answers again"); down != 1 || up != 1 {
		t.Errorf("%d lines say that Redis is gone and %d that it is back, want one each:\n%s", down, up, text)
	}
}

func TestErrorsOfTheServerDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := open(t, "redis://"+server.Addr(), &lines{})
	ctx := t.Context()
	if err := c.Set(ctx, "text", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	saying := func(message string) func() error {
		return func() error {
			server.SetError(message)
			defer server.SetError("")
			return c.Get(ctx, "text").Err()
		}
	}
	for _, x := range []struct {
		call func() error
		want string
	}{
		{func() error { return c.Get(ctx, "absent").Err() }, "redis: nil"},
		{func() error { return c.LPush(ctx, "text", 1).Err() }, "WRONGTYPE"},
		{func() error { return c.EvalSha(ctx, strings.Repeat("0", 40), nil).Err() }, "NOSCRIPT"},
		{func() error { return c.Eval(ctx, "return redis.error_reply('ERR mine')", nil).Err() }, "mine"},
		{saying("LOADING Redis is loading the dataset in memory"), "LOADING"},
		{saying("READONLY You can't write against a read only replica."), "READONLY"},
		{saying("OOM command not allowed"), "OOM"},
		{saying("ERR max number of clients reached"), "max number of clients"},
		{func() error {
			_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				p.LPush(ctx, "text", 1)
				p.Get(ctx, "absent")
				return nil
			})
			return err
		}, "WRONGTYPE"},
	} {
		for range 2 * tripAfter {
			if err := x.call(); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Fatalf("got %v, want %s", err, x.want)
			}
		}
		if err := c.Get(ctx, "text").Err(); err != nil {
			t.Errorf("after %d × %s: %v", 2*tripAfter, x.want, err)
		}
	}
}

func TestAWrongPasswordIsAnAnswer(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"redis", "redis+cluster"} {
		server := miniredis.RunT(t)
		server.RequireUserAuth("gate", "hunter2")
		log := &lines{}
		c := open(t, scheme+"://gate:letmein7@"+server.Addr(), log)
		for range 2 * tripAfter {
			err := ask(t, c)
			if err == nil || isOpen(err) || !strings.HasPrefix(err.Error(), "WRONGPASS") {
				t.Fatalf("%s: got %v, want what Redis says", scheme, err)
			}
			if strings.Contains(err.Error(), "letmein7") {
				t.Errorf("%s: the password is shown: %v", scheme, err)
			}
		}
		if err := c.Check(t.Context()); err == nil {
			t.Errorf("%s: Check finds nothing wrong", scheme)
		}
		if strings.Contains(log.String(), "letmein7") {
			t.Errorf("%s: the password is logged:\n%s", scheme, log)
		}
	}
}

func TestPipelinesAndScriptsPassTheBreaker(t *testing.T) {
	t.Parallel()
	c := open(t, "redis://"+freeAddr(t), &lines{})
	until(t, c, "without Redis", isOpen)
	ctx := t.Context()
	_, pipelined := c.Pipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "key"); return nil })
	_, transaction := c.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "key"); return nil })
	for name, err := range map[string]error{
		"pipeline": pipelined, "transaction": transaction,
		"script": redis.NewScript("return 1").Run(ctx, c, nil).Err(),
		"stream": c.XRead(ctx, &redis.XReadArgs{Streams: []string{"s", "0"}, Block: -1}).Err(),
	} {
		if !isOpen(err) {
			t.Errorf("%s: %v, want %v", name, err, ErrOpen)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	// TestMain looks for what is left behind.
	for name, url := range map[string]string{
		"refused": "redis://" + freeAddr(t),
		"hung":    "redis://" + newMute(t).ln.Addr().String(),
		"well":    "redis://" + miniredis.RunT(t).Addr(),
	} {
		c := open(t, url, &lines{})
		for range tripAfter + 1 {
			_ = ask(t, c)
		}
		start := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: close took %v", name, took)
		}
		if err := ask(t, c); err == nil {
			t.Errorf("%s: a closed client answers", name)
		}
	}
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		environ []string
		want    []string // the variables that are wrong
	}{
		{"plain", []string{"REDIS_URL=redis://127.0.0.1:6379/0"}, nil},
		{"TLS", []string{"REDIS_URL=rediss://gate:hunter2@redis.internal:6380/1", "REDIS_TIMEOUT=1s"}, nil},
		{"empty", nil, []string{"REDIS_URL"}},
		{"no scheme", []string{"REDIS_URL=127.0.0.1:6379"}, []string{"REDIS_URL"}},
		{"another scheme", []string{"REDIS_URL=http://gate:hunter2@127.0.0.1"}, []string{"REDIS_URL"}},
		{"a wrong port", []string{"REDIS_URL=redis://gate:hunter2@127.0.0.1:http"}, []string{"REDIS_URL"}},
		{"a wrong database", []string{"REDIS_URL=redis://gate:hunter2@127.0.0.1/zero"}, []string{"REDIS_URL"}},
		{"an unescaped password", []string{"REDIS_URL=redis://gate:hunter2%zz@127.0.0.1"}, []string{"REDIS_URL"}},
		{"a control character", []string{"REDIS_URL=redis://gate:hunter2\x7f@127.0.0.1"}, []string{"REDIS_URL"}},
		{"too fast", []string{"REDIS_URL=redis://a", "REDIS_TIMEOUT=999us"}, []string{"REDIS_TIMEOUT"}},
		{"too slow", []string{"REDIS_URL=redis://a", "REDIS_TIMEOUT=1001ms"}, []string{"REDIS_TIMEOUT"}},
		{"all wrong", []string{"REDIS_URL=hunter2", "REDIS_TIMEOUT=0s"}, []string{"REDIS_URL", "REDIS_TIMEOUT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var p process
			err := config.Load(&p, c.environ)
			var m *config.Mistakes
			var got []string
			if errors.As(err, &m) {
				got = m.Names()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("what is wrong differs (-want +got):\n%s", diff)
			}
			_, openErr := Open(p.Redis, (&lines{}).logger())
			if len(c.want) > 0 && c.want[0] == "REDIS_URL" && p.Redis.URL != "" && openErr == nil {
				t.Error("Open takes the URL")
			}
			for _, err := range []error{err, openErr} {
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the password is shown: %v", err)
				}
			}
		})
	}
}

type process struct{ Redis Config }

func (p *process) Validate(m *config.Mistakes) {
	m.Mode(config.Production)
	p.Redis.Validate(m)
}

// TestTheLibraryWritesNothingByItself: its lines, one for each failed dial, go
// to whoever asked for debug lines.
func TestTheLibraryWritesNothingByItself(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]string{slog.LevelDebug: "failed to dial 7 times", slog.LevelInfo: ""} {
		var log lines
		d := debugLog{slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))}
		d.Printf(t.Context(), "failed to dial %d times", 7)
		if got := log.String(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("at level %v: got %q, want %q", level, got, want)
		}
	}
}
