package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/internal/problem"
)

// SQLSTATEs that app.enter and app.require_session raise.
const (
	stateNotResident = "GH001"
	stateMoving      = "GH002"
	stateSessionDead = "GH003"
	stateSuspended   = "GH004"
)

// SQLSTATEs of PostgreSQL (appendix A of its manual).
const (
	stateForeignKeyViolation  = "23503"
	stateUniqueViolation      = "23505"
	stateSerializationFailure = "40001"
	stateDeadlock             = "40P01"
	stateLockTimeout          = "55P03"
	stateQueryCanceled        = "57014" // statement_timeout
)

// errPoolBusy says that no connection came free in time.
var errPoolBusy = errors.New("no database connection came free in time")

// errConnecting says that there was room for a connection, but none came about
// in time.
var errConnecting = errors.New("the database did not accept a connection in time")

var poolBusy = metrics.NewCounter(`backend_db_pool_busy_total`)

// Violates reports whether err is a violation of the unique constraint.
func Violates(err error, constraint string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == stateUniqueViolation && e.ConstraintName == constraint
}

// Referenced reports whether err is that of deleting a row which others refer to.
func Referenced(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == stateForeignKeyViolation
}

func lostRace(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == stateSerializationFailure || e.Code == stateDeadlock)
}

// valueError is an error of SQLSTATE class 22: a value that the database refuses.
// PostgreSQL's own text quotes the value, which a client may have sent, and errors
// are logged.
type valueError struct {
	cause error
	state string
}

// Error implements error.
func (e *valueError) Error() string { return "the database refuses a value (SQLSTATE " + e.state + ")" }

// Unwrap returns the cause.
func (e *valueError) Unwrap() error { return e.cause }

// translate turns what a client can be told about into a problem and leaves the
// rest, which is our fault, as it is.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var p *problem.Error
	if errors.As(err, &p) {
		return err
	}
	var e *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return problem.Wrap(problem.NotFound, err)
	case errors.Is(err, errPoolBusy):
		poolBusy.Inc()
		return problem.Wrap(problem.Overloaded, err)
	case errors.Is(err, errConnecting):
		return problem.Wrap(problem.Unavailable, err)
	case errors.As(err, &e):
		if code := codeOf(e.Code); code != "" {
			return problem.Wrap(code, err)
		}
		if strings.HasPrefix(e.Code, "22") {
			return &valueError{err, e.Code}
		}
	case unreachable(err):
		return problem.Wrap(problem.Unavailable, err)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.Wrap(problem.Timeout, err)
	}
	return err
}

func codeOf(state string) problem.Code {
	switch state {
	case stateNotResident, stateSessionDead, stateSuspended:
		return problem.Unauthenticated
	case stateMoving:
		return problem.TenantMoving
	case stateQueryCanceled:
		return problem.Timeout
	case stateSerializationFailure, stateDeadlock, stateLockTimeout:
		return problem.Unavailable
	}
	switch {
	case strings.HasPrefix(state, "08"), // connection exceptions
		strings.HasPrefix(state, "28"),  // the server refuses our password
		strings.HasPrefix(state, "57P"), // the server is stopping or starting
		strings.HasPrefix(state, "53"):  // the server is out of memory, disk or connections
		return problem.Unavailable
	}
	return ""
}

// unreachable reports whether the server could not be talked to. A statement
// whose time ran out is something else: the server may be well.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}

// NotConnected reports that no connection to the server came about: it is gone
// or silent, or lets nobody in. What may be wrong with a statement is something
// else, and so is a pool whose connections are all in use.
func NotConnected(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.Is(err, errConnecting)
}

// NotResident reports that the tenant does not live in the database that was
// asked; where it lives has to be looked up again.
func NotResident(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == stateNotResident
}

// IsMoving reports that the database refuses the tenant, or its writes, because it
// is on its way to another one.
func IsMoving(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == stateMoving
}

// LockTimedOut reports that a lock was not to be had in time.
func LockTimedOut(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == stateLockTimeout
}
