package contact

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/tenantdb"
)

// An export of 100,000 contacts, as long as contacts can be, holds a page at a time.
func TestExportHoldsAPage(t *testing.T) {
	t.Parallel()
	const pages = 200
	longest := tenantdb.Contact{
		Name: strings.Repeat("\U0001F600", 100), Address: strings.Repeat("\U0001F600", 500), Phone: strings.Repeat("1", 20), Email: strings.Repeat("é", 249) + "@b.com",
	}
	page := make([]tenantdb.Contact, exportRows)
	for format, write := range map[string]func(*bytes.Buffer, []tenantdb.Contact){formatCSV: writeCSV, formatVCard: writeVCards} {
		read := 1
		e := &export{write: write, cancel: func() {}}
		e.more = func(after position) ([]tenantdb.Contact, error) {
			if want := time.UnixMilli(int64(read * exportRows)); !after.Created.Equal(want) {
				t.Errorf("%s: page %d begins after %v, want %v", format, read, after.Created, want)
			}
			if read++; read > pages {
				return nil, nil
			}
			return fill(page, longest, read), nil
		}
		e.fill(fill(page, longest, 1))
		contacts, most := 0, 0
		chunk := make([]byte, 4096)
		for {
			n, err := e.Read(chunk)
			contacts += bytes.Count(chunk[:n], []byte("b.com"))
			most = max(most, e.buf.Cap())
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		// Chunks may cut an address in two.
		if contacts < pages*exportRows*99/100 || most > 8<<20 {
			t.Errorf("%s: %d contacts, with %d bytes held", format, contacts, most)
		}
	}
}

// fill makes a page of contacts, each a millisecond later than the one before.
func fill(page []tenantdb.Contact, like tenantdb.Contact, number int) []tenantdb.Contact {
	for i := range page {
		page[i] = like
		page[i].ID = uuid.Max
		page[i].CreatedAt = time.UnixMilli(int64((number-1)*exportRows + i + 1))
	}
	return page
}
