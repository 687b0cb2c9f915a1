package catalogue

import (
	"context"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

const byCreated = "created_at"

// Routes are the operations on entries of the kind.
func (k *Kind[In, Row]) Routes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: k.path, Query: true, Handle: k.HandleList},
		{Method: "POST", Path: k.path, Handle: k.HandleCreate},
		{Method: "GET", Path: k.path + "/{id}", Handle: k.HandleGet},
		{Method: "PUT", Path: k.path + "/{id}", Handle: k.HandleUpdate},
		{Method: "DELETE", Path: k.path + "/{id}", Handle: k.HandleDelete},
	}
}

// HandleList answers GET of the kind's path.
func (k *Kind[In, Row]) HandleList(r *web.Request) error {
	l := r.List(byCreated)
	f := k.filter(l)
	f.Any = field.Containing(l.Text("q", 1, 100))
	l.CountExact()
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	db, tenant := k.reads(r.Caller), r.Caller.Tenant
	return k.service.Cached.Page(r, l, after, func(ctx context.Context) ([]byte, error) {
		rows, err := k.list(ctx, db, tenant, l.Desc, after, f, l.Limit+1)
		if err != nil {
			return nil, err
		}
		if err := l.Tally(func() (int64, error) { return k.count(ctx, db, tenant, f) }); err != nil {
			return nil, err
		}
		return web.EncodePage(l, rows, k.view, k.positionOf)
	})
}

// HandleCreate answers POST of the kind's path.
func (k *Kind[In, Row]) HandleCreate(r *web.Request) error {
	in, err := k.input(r)
	if err != nil {
		return err
	}
	err = idempotency.Run(r, k.service.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		row, err := k.make(r.Context(), tx, r.Origin(), in)
		if err != nil {
			return web.Answer{}, err
		}
		a := k.single(row)
		a.Status, a.Location = 201, k.path+"/"+k.view(row).ID.String()
		return a, nil
	})
	k.service.Cached.Wrote(r.Context(), r.Caller, err) // a replay too: the first answer may have got lost half-way
	return err
}

// HandleGet answers GET of an entry.
func (k *Kind[In, Row]) HandleGet(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	return k.service.Cached.Object(r, k.path+"/"+id.String(), func(ctx context.Context) (web.Answer, error) {
		row, err := k.get(ctx, k.reads(r.Caller), r.Caller.Tenant, id)
		return k.single(row), err
	})
}

// HandleUpdate answers PUT of an entry.
func (k *Kind[In, Row]) HandleUpdate(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	in, err := k.input(r)
	if err != nil {
		return err
	}
	row, err := k.change(r.Context(), r.Origin(), id, versions, in)
	if err != nil {
		return err
	}
	return r.Answer(k.single(row))
}

// HandleDelete answers DELETE of an entry.
func (k *Kind[In, Row]) HandleDelete(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	if err := k.delete(r.Context(), r.Origin(), id, versions); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// input reads the fields and holds them to the rules. A warning keeps nothing from
// being stored.
func (k *Kind[In, Row]) input(r *web.Request) (*In, error) {
	in := new(In)
	if err := r.Decode(in); err != nil {
		return nil, err
	}
	nfe.Normalize(in)
	return in, refuse("", k.check(in))
}

// refuse turns findings into a problem, if there is an error among them. Their paths
// begin at a pointer.
func refuse(pointer string, findings []nfe.Finding) error {
	nfe.Localize(findings, "en") // as all errors are
	var fields []problem.Field
	for _, f := range findings {
		if f.Severity == nfe.Error {
			fields = append(fields, problem.Field{Name: pointer + f.Path, Code: string(f.Rule), Message: message(f)})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.ValidationFailed, Fields: fields}
}

// message says what is wrong, and what would be right.
func message(f nfe.Finding) string {
	if f.Expected == "" {
		return f.Message
	}
	return f.Message + " Expected: " + f.Expected + "."
}

// single is the answer that holds one entry.
func (k *Kind[In, Row]) single(row Row) web.Answer {
	v := k.view(row)
	return web.Answer{Message: "ok", Data: v, ETag: web.ETag(v.version)}
}
