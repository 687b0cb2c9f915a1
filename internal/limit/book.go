package limit

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// Book holds what is known of each tenant, safe for concurrent use. Looking up a
// tenant takes no lock and allocates nothing. It only grows: there are as many
// tenants as operators have made.
type Book struct {
	seed maphash.Seed
	// pages hold slices that are never changed, only replaced.
	pages [bookPages]atomic.Pointer[[]*Tenant]

	mu sync.Mutex // of who changes the book
	n  atomic.Int64
}

// bookPages times eight bytes is what an empty book takes.
const bookPages = 1 << 13

// NewBook returns an empty book.
func NewBook() *Book { return &Book{seed: maphash.MakeSeed()} }

func (b *Book) page(id string) *atomic.Pointer[[]*Tenant] {
	return &b.pages[maphash.String(b.seed, id)%bookPages]
}

// Get returns what is known of a tenant, or nil. It must not be changed.
func (b *Book) Get(id string) *Tenant {
	page := b.page(id).Load()
	if page == nil {
		return nil
	}
	for _, t := range *page {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Apply makes known what is in force for a tenant, unless as new a version of it
// is known already. The overrides must not be changed afterwards.
func (b *Book) Apply(t Tenant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := b.page(t.ID)
	var page []*Tenant
	if old := held.Load(); old != nil {
		page = slices.Clone(*old)
	}
	i := slices.IndexFunc(page, func(other *Tenant) bool { return other.ID == t.ID })
	switch {
	case i < 0:
		page = append(page, &t)
		b.n.Add(1)
	case t.Version <= page[i].Version:
		return
	default:
		page[i] = &t
	}
	held.Store(&page)
}

// Len returns how many tenants are known.
func (b *Book) Len() int { return int(b.n.Load()) }
