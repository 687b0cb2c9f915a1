package edge

import (
	"log/slog"
	"runtime/debug"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/logging"
	"gatehouse/internal/problem"
)

var panics = metrics.NewCounter(`gateway_panics_total`)

// Recover turns a panic further in into a 500 problem. fasthttp does not
// recover, so without it one faulty request would end the process.
func Recover(log *slog.Logger) Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			defer func() {
				if fault := recover(); fault != nil {
					ex.report(log, fault)
					ex.Ctx.Response.Reset()
					ex.Refuse(problem.New(problem.Internal))
				}
			}()
			next(ex)
		}
	}
}

// report counts and logs a panic, without its own words: they may be a client's.
// It is called while the stack still shows where.
func (ex *Exchange) report(log *slog.Logger, fault any) {
	panics.Inc()
	log.Error("panic", "request_id", ex.RequestID, "route", ex.Template(),
		"cause", logging.Panicked(fault), "stack", string(debug.Stack()))
}
