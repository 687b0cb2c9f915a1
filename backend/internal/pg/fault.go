package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/internal/problem"
)

// Fault says in one word what keeps a database from serving. It is an error
// that can be shown to operators: it tells nothing of how the database is
// reached.
type Fault string

// The faults.
const (
	Unreachable Fault = "unreachable" // no connection, or it broke
	TimedOut    Fault = "timeout"     // no answer in time
	Refused     Fault = "refused"     // the server or app.enter turns us away
	NotMigrated Fault = "not_migrated"
)

// Error implements error.
func (f Fault) Error() string { return "database: " + string(f) }

// FaultOf finds the fault behind an error of a database.
func FaultOf(err error) Fault {
	var f Fault
	var e *pgconn.PgError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &e):
		return faultOf(e.Code)
	case errors.Is(err, errPoolBusy), isTimeout(err):
		return TimedOut
	}
	return Unreachable
}

func faultOf(state string) Fault {
	switch {
	case state == stateQueryCanceled:
		return TimedOut
	case state == "42P01", state == "42883", state == "3F000": // no such table, function, schema
		return NotMigrated
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P"), state == stateLockTimeout:
		return Unreachable
	}
	return Refused
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// Conceal takes out of an error whatever tells how a dedicated database is
// reached: the driver's errors about connections name its address, role and
// database. The kind of problem and the fault stay. Errors of statements say
// nothing about that and are left as they are.
func Conceal(err error) error {
	if !tells(err) {
		return err
	}
	var told error = FaultOf(err)
	if errors.Is(err, ErrForbidden) {
		told = ErrForbidden
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		told = fmt.Errorf("%w (SQLSTATE %s)", told, e.Code)
	}
	var p *problem.Error
	if errors.As(err, &p) {
		return problem.Wrap(p.Code, told)
	}
	return told
}

// tells reports whether an error is about a connection.
func tells(err error) bool {
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &parse) || errors.As(err, &network)
}
