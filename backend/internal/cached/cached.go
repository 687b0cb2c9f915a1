// Package cached answers reads of a tenant's data from the cache. Whoever gets what
// was loaded for another caller is checked before.
package cached

import (
	"bytes"
	"context"
	"errors"

	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/verdict"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/token"
)

// Answers are those to reads of one kind of data.
type Answers struct {
	Cache    *cache.Cache
	Verdicts *verdict.Sessions
	Kind     cache.Kind
}

// Wrote tells the cache what came of a caller's write, before it is answered.
func (a Answers) Wrote(ctx context.Context, c token.Claims, err error) {
	a.Cache.Wrote(ctx, c.Tenant, a.Kind, err)
}

// Admit checks a caller who is answered without a look at the database.
func (a Answers) Admit(ctx context.Context, c token.Claims) error {
	return a.Verdicts.Admit(ctx, pg.Caller(c, false))
}

// Body answers with a body that load returns for the caller. Key is that of a
// [cache.Entry].
func (a Answers) Body(r *web.Request, key string, load func(context.Context) ([]byte, error)) error {
	body, err := a.read(r, key, load)
	if err != nil {
		return err
	}
	r.Encoded(web.Answer{}, body)
	return nil
}

// Page answers with the page of a list that load returns for the caller.
func (a Answers) Page(r *web.Request, l *web.List, after any, load func(context.Context) ([]byte, error)) error {
	key, err := l.Key(after)
	if err != nil {
		return err
	}
	return a.Body(r, key, load)
}

var errNoETag = errors.New("a cached object has no entity tag")

// Object answers with the object that load returns for the caller. The cache has its
// entity tag before the body, with a line's end between them.
func (a Answers) Object(r *web.Request, key string, load func(context.Context) (web.Answer, error)) error {
	text, err := a.read(r, key, func(ctx context.Context) ([]byte, error) {
		answer, err := load(ctx)
		if err != nil {
			return nil, err
		}
		body, err := answer.Encode()
		return append([]byte(answer.ETag+"\n"), body...), err
	})
	if err != nil {
		return err
	}
	etag, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return errNoETag
	}
	r.Encoded(web.Answer{ETag: string(etag)}, body)
	return nil
}

func (a Answers) read(r *web.Request, key string, load func(context.Context) ([]byte, error)) ([]byte, error) {
	return a.Cache.Read(r.Context(), cache.Entry{Tenant: r.Caller.Tenant, Kind: a.Kind, Key: key}, cache.Reader{
		Load:  load,
		Admit: func(ctx context.Context) error { return a.Admit(ctx, r.Caller) },
	})
}
