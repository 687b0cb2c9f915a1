// Package idempotency lets clients repeat a request without doing its work
// twice: a request with an Idempotency-Key is worked on once, and a repeat gets
// the stored answer. Keys belong to one user and one operation and are kept 24
// hours.
//
// Lock, work and stored answer are one transaction, so a crash leaves nothing
// behind that a repeat would stumble over.
package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Lifetime is how long an answer is kept.
const Lifetime = 24 * time.Hour

// Database is where the caller's tenant lives.
type Database interface {
	As(s pg.Scope) tenantdb.DBTX
	InTx(ctx context.Context, s pg.Scope, fn func(tx tenantdb.DBTX) error) error
}

// Work does what a request asks for in the transaction that it is given.
type Work func(tx tenantdb.DBTX) (web.Answer, error)

// refusal is a problem as it is stored. Success answers are stored as they
// were sent.
type refusal struct {
	Code   problem.Code    `json:"code"`
	Detail string          `json:"detail"`
	Fields []problem.Field `json:"fields"`
}

// Run does the work of a request in one transaction of its caller and writes
// the answer. The caller's session is checked in the same transaction.
//
// With an Idempotency-Key a repeat of the same body gets the stored answer,
// another body is a mismatch, and a repeat that comes while the first is under
// way is told so. Stored are successes, and refusals that come after
// validation: what exists already, is gone, or is in the wrong state.
func Run(r *web.Request, db Database, work Work) error {
	return run(r, db, work, func(scope pg.Scope) (answer web.Answer, err error) {
		err = db.InTx(r.Context(), scope, func(tx tenantdb.DBTX) (err error) {
			answer, err = work(tx)
			return err
		})
		return answer, err
	})
}

// RunOne is Run for work that is a single statement: without a key it goes
// without a transaction around it, in one round trip.
func RunOne(r *web.Request, db Database, work Work) error {
	return run(r, db, work, func(scope pg.Scope) (web.Answer, error) { return work(db.As(scope)) })
}

// run does the work with a key; unkeyed does it without one.
func run(r *web.Request, db Database, work Work, unkeyed func(pg.Scope) (web.Answer, error)) error {
	key, err := r.IdempotencyKey()
	if err != nil {
		return err
	}
	scope := pg.Caller(r.Caller, true)
	if key == "" {
		answer, err := unkeyed(scope)
		if err != nil {
			return err
		}
		return r.Answer(answer)
	}
	k := keyed{r: r, caller: r.Caller, key: key, hashes: r.Hashes()}
	if err := db.InTx(r.Context(), scope, func(tx tenantdb.DBTX) error { return k.run(tx, work) }); err != nil {
		return err
	}
	return k.write()
}

// keyed is a request with a key.
type keyed struct {
	r      *web.Request
	caller token.Claims
	key    string
	hashes [][]byte
	stored tenantdb.IdempotencyKey
	replay bool
}

var queries tenantdb.Queries

func (k *keyed) run(tx tenantdb.DBTX, work Work) error {
	ctx := k.r.Context()
	k.replay = false
	locked, err := queries.TryIdempotencyLock(ctx, tx,
		fmt.Sprintf("%s %s %s %s", k.caller.Tenant, k.caller.UserID, k.r.Operation(), k.key))
	if err != nil {
		return err
	}
	if !locked {
		return problem.New(problem.IdempotencyRunning)
	}
	k.stored, err = queries.GetIdempotencyKey(ctx, tx, tenantdb.GetIdempotencyKeyParams{
		TenantID: k.caller.Tenant, UserID: k.caller.UserID, Route: k.r.Operation(), Key: k.key,
	})
	switch {
	case problem.Is(err, problem.NotFound):
		return k.work(tx, work)
	case err != nil:
		return err
	case !slices.ContainsFunc(k.hashes, func(hash []byte) bool { return bytes.Equal(hash, k.stored.RequestHash) }):
		return problem.New(problem.IdempotencyMismatch)
	}
	k.replay = true
	return nil
}

func (k *keyed) work(tx tenantdb.DBTX, work Work) error {
	var answer web.Answer
	err := pg.Nested(tx, func(tx tenantdb.DBTX) (err error) {
		answer, err = work(tx)
		return err
	})
	if answer.Status == 0 {
		answer.Status = 200
	}
	put := tenantdb.PutIdempotencyKeyParams{
		TenantID: k.caller.Tenant, UserID: k.caller.UserID, Route: k.r.Operation(), Key: k.key, RequestHash: k.hashes[0],
		Status: int32(answer.Status), Location: answer.Location, ETag: answer.ETag,
	}
	var p *problem.Error
	switch {
	case err == nil:
		put.Body, err = answer.Encode()
	case errors.As(err, &p) && storable(p.Code):
		put.Status = int32(p.Code.Status())
		put.Body, err = json.Marshal(refusal{p.Code, p.Detail, p.Fields})
	}
	if err != nil {
		return err
	}
	put.ExpiresAt = time.Now().Add(Lifetime)
	_, err = queries.HoldUser(k.r.Context(), tx, tenantdb.HoldUserParams{TenantID: k.caller.Tenant, ID: k.caller.UserID})
	if problem.Is(err, problem.NotFound) {
		return problem.New(problem.Unauthenticated) // deleted while this was under way
	}
	if err != nil {
		return err
	}
	if err := queries.PutIdempotencyKey(k.r.Context(), tx, put); err != nil {
		return err
	}
	k.stored = tenantdb.IdempotencyKey{Status: put.Status, Location: put.Location, ETag: put.ETag, Body: put.Body}
	return nil
}

// storable reports whether a refusal would come again whenever the request is
// repeated: it depends on what is stored, not on who asks how often.
func storable(c problem.Code) bool {
	switch c.Status() {
	case 404, 409, 412, 422:
		return true
	}
	return false
}

// write answers with what is stored now.
func (k *keyed) write() error {
	if k.replay {
		k.r.Replayed()
	}
	if k.stored.Status >= 400 {
		var e refusal
		if err := json.Unmarshal(k.stored.Body, &e); err != nil {
			return fmt.Errorf("read a stored refusal: %w", err)
		}
		return &problem.Error{Code: e.Code, Detail: e.Detail, Fields: e.Fields}
	}
	k.r.Encoded(web.Answer{Status: int(k.stored.Status), Location: k.stored.Location, ETag: k.stored.ETag}, k.stored.Body)
	return nil
}
