package catalogue

import (
	"bytes"
	"context"
	"errors"

	"github.com/google/uuid"

	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/token"
)

// wrote tells the cache what came of a write to the caller's catalogue.
func (k *Kind[In, Row]) wrote(ctx context.Context, c token.Claims, err error) {
	k.service.Cache.Wrote(ctx, c.Tenant, cache.Catalogue, err)
}

// encoded is an answer with one entry.
type encoded struct {
	etag string
	body []byte
}

var errNoETag = errors.New("a cached entry has no entity tag")

// cached returns the answer with an entry. The cache has the entity tag before the
// body, with a line's end between them.
func (k *Kind[In, Row]) cached(ctx context.Context, c token.Claims, id uuid.UUID) (encoded, error) {
	text, err := k.service.Cache.Read(ctx, cache.Entry{Tenant: c.Tenant, Kind: cache.Catalogue, Key: k.path + "/" + id.String()}, cache.Reader{
		Load: func(ctx context.Context) ([]byte, error) {
			row, err := k.get(ctx, k.reads(c), c.Tenant, id)
			if err != nil {
				return nil, err
			}
			a := k.single(row)
			body, err := a.Encode()
			return append([]byte(a.ETag+"\n"), body...), err
		},
		Admit: k.admit(c),
	})
	if err != nil {
		return encoded{}, err
	}
	etag, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return encoded{}, errNoETag
	}
	return encoded{string(etag), body}, nil
}

// cachedPage returns the answer with a page of entries.
func (k *Kind[In, Row]) cachedPage(ctx context.Context, c token.Claims, l *web.List, f filter, after position) ([]byte, error) {
	key, err := l.Key(after)
	if err != nil {
		return nil, err
	}
	return k.service.Cache.Read(ctx, cache.Entry{Tenant: c.Tenant, Kind: cache.Catalogue, Key: key}, cache.Reader{
		Load: func(ctx context.Context) ([]byte, error) {
			rows, err := k.list(ctx, k.reads(c), c.Tenant, l.Desc, after, f, l.Limit+1)
			if err != nil {
				return nil, err
			}
			if l.Count {
				n, err := k.count(ctx, k.reads(c), c.Tenant, f)
				if err != nil {
					return nil, err
				}
				l.Total = &n
			}
			return web.EncodePage(l, rows, k.view, func(row Row) any {
				v := k.view(row)
				return position{Created: v.CreatedAt.Time, ID: v.ID}
			})
		},
		Admit: k.admit(c),
	})
}

// admit checks a caller who gets what was loaded for another one.
func (k *Kind[In, Row]) admit(c token.Claims) func(context.Context) error {
	return func(ctx context.Context) error { return k.service.Verdicts.Admit(ctx, pg.Caller(c, false)) }
}
