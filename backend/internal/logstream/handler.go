package logstream

import (
	"context"
	"log/slog"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/logtail"
	"gatehouse/internal/problem"
	"gatehouse/internal/requestid"
	"gatehouse/internal/token"
)

var levels = map[string]slog.Level{
	"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func filter(r *web.Request) (f logtail.Filter, err error) {
	q := r.Query()
	f.Level = levels[q.Choice("level", "debug", "info", "warn", "error")]
	f.Service = q.Choice("service", "gateway", "backend")
	f.Route = q.Matching("route", logtail.ValidRoute, "must be a route as the contract writes it, such as /api/v1/ping, or unmatched")
	f.RequestID = q.Matching("request_id", requestid.Valid[string], "must be 8 to 64 of A-Z, a-z, 0-9, ., _ and -")
	return f, q.Err()
}

// HandleStream answers GET /admin/logs/stream. What can be refused is refused
// before the WebSocket opens.
func (s *Service) HandleStream(r *web.Request) error {
	f, err := filter(r)
	if err != nil {
		return err
	}
	if err := s.verdicts.Admit(r.Context(), pg.Caller(r.Caller, false)); err != nil {
		return err
	}
	if !s.enter() {
		return problem.New(problem.Unavailable)
	}
	reader, ok := s.hub.Open(f, s.config.Readers)
	if !ok {
		s.open.Done()
		return problem.Newf(problem.Overloaded, "There are as many readers of the log stream as there may be.")
	}
	ctx, cancel := context.WithDeadlineCause(s.running, r.Caller.ExpiresAt.Add(token.Leeway), errExpired)
	done := func() {
		cancel()
		reader.Close()
		s.open.Done()
	}
	err = r.WebSocket(ctx, func(ctx context.Context, socket *web.Socket) web.Farewell { return pass(ctx, socket, reader) }, done)
	if err != nil {
		done()
	}
	return err
}
