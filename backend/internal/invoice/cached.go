package invoice

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

// wrote tells the cache what came of a write to the caller's documents.
func (s *Service) wrote(ctx context.Context, c token.Claims, err error) {
	s.Cache.Wrote(ctx, c.Tenant, cache.Invoices, err)
}

// encoded is an answer with one document.
type encoded struct {
	etag string
	body []byte
}

var errNoETag = errors.New("a cached document has no entity tag")

// cached returns the answer with a document, in the language that an
// Accept-Language header asks for. The cache has the entity tag before the body,
// with a line's end between them.
func (s *Service) cached(ctx context.Context, c token.Claims, id uuid.UUID, accept string) (encoded, error) {
	text, err := s.Cache.Read(ctx, cache.Entry{Tenant: c.Tenant, Kind: cache.Invoices, Key: id.String() + "." + languageOf(accept)}, cache.Reader{
		Load: func(ctx context.Context) ([]byte, error) {
			in, err := s.get(ctx, s.reads(c), c.Tenant, id)
			if err != nil {
				return nil, err
			}
			a := single(in, accept)
			body, err := a.Encode()
			return append([]byte(a.ETag+"\n"), body...), err
		},
		Admit: s.admit(c),
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

// cachedPage returns the answer with a page of documents.
func (s *Service) cachedPage(ctx context.Context, c token.Claims, l *web.List, f Filter, after position) ([]byte, error) {
	key, err := l.Key(after)
	if err != nil {
		return nil, err
	}
	return s.Cache.Read(ctx, cache.Entry{Tenant: c.Tenant, Kind: cache.Invoices, Key: key}, cache.Reader{
		Load: func(ctx context.Context) ([]byte, error) {
			return s.page(ctx, s.reads(c), c.Tenant, l, after, f)
		},
		Admit: s.admit(c),
	})
}

// admit checks a caller who gets what was loaded for another one.
func (s *Service) admit(c token.Claims) func(context.Context) error {
	return func(ctx context.Context) error { return s.Verdicts.Admit(ctx, pg.Caller(c, false)) }
}
