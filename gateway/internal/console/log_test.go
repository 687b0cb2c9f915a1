package console

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/logging"
)

type answered struct {
	Lines []struct{ Msg string }
	Anew  bool
	Lost  uint64
	Next  uint64
}

// open returns a console and the log that it shows.
func open(t *testing.T) (*Console, *slog.Logger) {
	t.Helper()
	log, closeLog, err := logging.Open(logging.Config{File: filepath.Join(t.TempDir(), "log"), Format: "json"}, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeLog(); err != nil {
			t.Error(err)
		}
	})
	return New(logging.TailOf(log)), log
}

func get(c *Console, path string) *fasthttp.Response {
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI(path)
	c.Handle(&ctx)
	return &ctx.Response
}

func ask(t *testing.T, c *Console, after string) (a answered) {
	t.Helper()
	if err := json.Unmarshal(get(c, "/console/log?after="+after).Body(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Lines come once each and in order, from when somebody looks on.
func TestLogFollows(t *testing.T) {
	t.Parallel()
	c, log := open(t)
	log.Info("nobody looks on")
	a := ask(t, c, "")
	if len(a.Lines) != 0 || !a.Anew {
		t.Errorf("got %+v, want nothing, anew", a)
	}
	for round := range 3 {
		for i := range 2 {
			log.Info(fmt.Sprint(round, i))
		}
		a = ask(t, c, fmt.Sprint(a.Next))
		if got, want := fmt.Sprint(a.Lines), fmt.Sprintf("[{%d 0} {%[1]d 1}]", round); got != want || a.Anew || a.Lost != 0 {
			t.Errorf("got %s and %+v, want %s", got, a, want)
		}
	}
	for _, after := range []string{"", "x", "-1", "1", fmt.Sprint(a.Next + 1)} {
		if a := ask(t, c, after); len(a.Lines) != 6 || !a.Anew || a.Lost != 0 {
			t.Errorf("after %q: got %+v, want all lines, anew", after, a)
		}
	}
}

// What does not fit is counted: the oldest of many lines, and a line that is long.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	c, log := open(t)
	a := ask(t, c, "")
	log.Info("old")
	for range maxLines - 1 {
		log.Info("new")
	}
	log.Info(strings.Repeat("x", maxLine))
	a = ask(t, c, fmt.Sprint(a.Next))
	if len(a.Lines) != maxLines-1 || a.Lines[0].Msg != "new" || a.Lost != 2 || a.Anew {
		t.Errorf("got %d lines, %d lost, anew %v; want %d, 2, false", len(a.Lines), a.Lost, a.Anew, maxLines-1)
	}
}

// Once nobody looks on, nothing is kept, and whoever comes back is told.
func TestLogRests(t *testing.T) {
	t.Parallel()
	c, log := open(t)
	tail := c.log.tail
	synctest.Test(t, func(t *testing.T) {
		c := New(tail)
		a := ask(t, c, "")
		for range 3 { // asking keeps it awake
			time.Sleep(watchedFor - 1)
			log.Info("seen")
			a = ask(t, c, fmt.Sprint(a.Next))
			if len(a.Lines) != 1 || a.Anew {
				t.Errorf("got %+v, want a line", a)
			}
		}
		time.Sleep(watchedFor)
		synctest.Wait()
		log.Info("not seen")
		if a = ask(t, c, fmt.Sprint(a.Next)); len(a.Lines) != 0 || !a.Anew {
			t.Errorf("got %+v, want nothing, anew", a)
		}
		time.Sleep(watchedFor) // nothing is left running
	})
}
