package contact

import (
	"bytes"
	"context"
	"io"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

// Formats of a file of contacts.
const (
	formatCSV   = "csv"
	formatVCard = "vcard"
)

// exportRows is how many contacts an export reads at a time, which bounds its
// memory to a few megabytes of longest contacts.
const exportRows = 500

// HandleExport answers GET /address-book/export.
func (s *Service) HandleExport(r *web.Request) error {
	q := r.Query()
	format := q.Required("format", formatCSV, formatVCard)
	f := readFilter(q)
	if err := q.Err(); err != nil {
		return err
	}
	rows, err := s.exported(r.Context(), s.reads(r.Caller), r.Caller.Tenant, start(false), f)
	if err != nil {
		return err
	}
	// Nothing leaves before the trail tells of it.
	err = s.Directory.InTx(r.Context(), pg.Caller(r.Caller, true), func(tx tenantdb.DBTX) error {
		return trail.Record(r.Context(), tx, r.Caller.Tenant, r.Origin(), trail.Entry{
			Action: trail.ContactExport, Details: map[string]string{"format": format},
		})
	})
	if err != nil {
		return err
	}
	ctx, cancel := r.StreamContext()
	caller := r.Caller
	e := &export{
		// Each page also checks the session, so an export ends with it.
		more: func(after position) ([]tenantdb.Contact, error) {
			return s.exported(ctx, s.reads(caller), caller.Tenant, after, f)
		},
		cancel: cancel,
	}
	if format == formatCSV {
		e.write = writeCSV
		writeCSVHeader(&e.buf)
		e.fill(rows)
		r.Stream("text/csv; charset=utf-8", "contacts.csv", e)
		return nil
	}
	e.write = writeVCards
	e.fill(rows)
	r.Stream("text/vcard; charset=utf-8", "contacts.vcf", e)
	return nil
}

func (s *Service) exported(ctx context.Context, db tenantdb.DBTX, tenant string, after position, f Filter) ([]tenantdb.Contact, error) {
	return s.list(ctx, db, tenant, byCreated, false, after, f, exportRows)
}

// export is a file of contacts in order of creation, made as it is read. It
// holds one page and no transaction, so it is no snapshot: contacts that change
// meanwhile may be in it in either form.
type export struct {
	more   func(after position) ([]tenantdb.Contact, error)
	write  func(*bytes.Buffer, []tenantdb.Contact)
	cancel context.CancelFunc

	buf  bytes.Buffer
	last position
	done bool
}

// fill takes the next page.
func (e *export) fill(rows []tenantdb.Contact) {
	e.write(&e.buf, rows)
	if e.done = len(rows) < exportRows; !e.done {
		end := rows[len(rows)-1]
		e.last = position{Created: end.CreatedAt, ID: end.ID}
	}
}

// Read implements io.Reader.
func (e *export) Read(p []byte) (int, error) {
	for e.buf.Len() == 0 {
		if e.done {
			return 0, io.EOF
		}
		rows, err := e.more(e.last)
		if err != nil {
			return 0, err
		}
		e.fill(rows)
	}
	return e.buf.Read(p)
}

// Close implements io.Closer.
func (e *export) Close() error {
	e.cancel()
	return nil
}
