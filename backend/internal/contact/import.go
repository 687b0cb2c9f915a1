package contact

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

const (
	// maxReported bounds each list of a report; its counts are of all.
	maxReported = 1000
	// importRows is how many contacts one statement adds.
	importRows = 1000
)

// Report is what an import did, or would have done.
type Report struct {
	DryRun  bool `json:"dry_run"`
	Read    int  `json:"read"`
	Created int  `json:"created"`
	Skipped int  `json:"skipped"` // contacts that cannot be imported
	// Errors say why; the first 1000.
	Errors []LineError `json:"errors"`
	// Duplicates are contacts with the e-mail address of another one, earlier in
	// the file or in the address book; the first 1000. They are imported
	// nevertheless.
	Duplicates []Duplicate `json:"duplicates"`
}

// LineError is what is wrong with a contact that starts at a line.
type LineError struct {
	Line    int    `json:"line"`
	Field   string `json:"field"` // a JSON pointer into the contact, empty for all of it
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Duplicate is a contact with an e-mail address that was there before.
type Duplicate struct {
	Line  int    `json:"line"`
	Email string `json:"email"`
}

// HandleImport answers POST /address-book/import.
func (s *Service) HandleImport(r *web.Request) error {
	q := r.Query()
	report := Report{DryRun: q.Choice("dry_run", "true", "false") == "true"}
	skip := q.Choice("on_error", "abort", "skip") == "skip"
	if err := q.Err(); err != nil {
		return err
	}
	body, media, err := r.Body("text/csv", "text/vcard")
	if err != nil {
		return err
	}
	format, read := formatCSV, readCSV
	if media == "text/vcard" {
		format, read = formatVCard, readVCards
	}
	records, err := read(body)
	if err != nil {
		return err
	}
	good := report.take(records)
	if report.Skipped > 0 && !skip {
		return refuse(fmt.Sprintf("%d of %d contacts cannot be imported; nothing was.", report.Skipped, report.Read), records)
	}
	if report.DryRun {
		err = s.findDuplicates(r.Context(), s.reads(r.Caller), r.Caller.Tenant, good, &report)
	} else {
		err = s.Directory.InTx(r.Context(), pg.Caller(r.Caller, true), func(tx tenantdb.DBTX) error {
			if err := s.findDuplicates(r.Context(), tx, r.Caller.Tenant, good, &report); err != nil {
				return err
			}
			if err := s.insert(r.Context(), tx, r.Caller.Tenant, good); err != nil {
				return err
			}
			return trail.Record(r.Context(), tx, r.Caller.Tenant, r.Origin(), trail.Entry{
				Action: trail.ContactImport,
				Details: map[string]string{
					"format": format, "read": strconv.Itoa(report.Read),
					"created": strconv.Itoa(report.Created), "skipped": strconv.Itoa(report.Skipped),
				},
			})
		})
		s.Cached.Wrote(r.Context(), r.Caller, err)
	}
	if err != nil {
		return err
	}
	return r.OK("ok", report)
}

// take counts the records, reports the bad ones, and returns the good ones.
func (r *Report) take(records []record) (good []record) {
	r.Read = len(records)
	for _, rec := range records {
		if len(rec.findings) == 0 {
			good = append(good, rec)
			continue
		}
		r.Skipped++
		for _, f := range rec.findings {
			if len(r.Errors) < maxReported {
				r.Errors = append(r.Errors, LineError{Line: rec.line, Field: pointer(f.Name), Code: f.Code, Message: f.Message})
			}
		}
	}
	r.Created = len(good)
	return good
}

func pointer(name string) string {
	if name == "" {
		return ""
	}
	return "/" + name
}

// findDuplicates reports the records whose address is in the book or earlier in
// the file.
func (s *Service) findDuplicates(ctx context.Context, db tenantdb.DBTX, tenant string, records []record, report *Report) error {
	keys := make([]string, len(records))
	for i, rec := range records {
		keys[i] = field.Fold(rec.in.Email)
	}
	known, err := s.queries.ListEmailKeysInUse(ctx, db, tenantdb.ListEmailKeysInUseParams{TenantID: tenant, EmailKeys: keys})
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(keys))
	for _, key := range known {
		seen[key] = true
	}
	report.Duplicates = nil // from an earlier try of the transaction
	for i, rec := range records {
		if seen[keys[i]] && len(report.Duplicates) < maxReported {
			report.Duplicates = append(report.Duplicates, Duplicate{Line: rec.line, Email: rec.in.Email})
		}
		seen[keys[i]] = true
	}
	return nil
}

// insert adds the records in their order, which is that of their ids.
func (s *Service) insert(ctx context.Context, tx tenantdb.DBTX, tenant string, records []record) error {
	for batch := range slices.Chunk(records, importRows) {
		p := tenantdb.ImportContactsParams{TenantID: tenant}
		for _, rec := range batch {
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			p.Ids = append(p.Ids, id.String())
			p.Names = append(p.Names, rec.in.Name)
			p.NameSorts = append(p.NameSorts, field.SortKey(rec.in.Name))
			p.NameKeys = append(p.NameKeys, field.Fold(rec.in.Name))
			p.Genders = append(p.Genders, rec.in.Gender)
			p.Ages = append(p.Ages, rec.in.Age)
			p.Addresses = append(p.Addresses, rec.in.Address)
			p.Phones = append(p.Phones, rec.in.Phone)
			p.Emails = append(p.Emails, rec.in.Email)
			p.EmailKeys = append(p.EmailKeys, field.Fold(rec.in.Email))
		}
		if _, err := s.queries.ImportContacts(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}
