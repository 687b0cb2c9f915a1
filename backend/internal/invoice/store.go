package invoice

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

func (s *Service) reads(c token.Claims) tenantdb.DBTX { return s.Directory.As(pg.Caller(c, false)) }

// get reads a whole document.
func (s *Service) get(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID) (*Invoice, error) {
	row, err := s.queries.GetNfe(ctx, db, tenantdb.GetNfeParams{TenantID: tenant, ID: id})
	if err != nil {
		return nil, err
	}
	var in Invoice
	for _, part := range []struct {
		text []byte
		into any
	}{
		{row.Head, &in}, {row.Itens, &in.Itens}, {row.Transporte, &in.Transporte}, {row.Pagamentos, &in.Pagamentos},
		{row.Referencias, &in.Referencias}, {row.InformacoesFiscais, &in.InformacoesFiscais},
	} {
		if part.text == nil {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
	}
	nfe.Normalize(&in.Document) // null of an opaque group is absent
	return &in, nil
}

// head is a document without its lists, as a statement takes it.
type head struct {
	nfe.Document
	DataEmissaoOffset      *int          `json:"data_emissao_offset"`
	DataSaidaEntradaOffset *int          `json:"data_saida_entrada_offset"`
	Findings               []nfe.Finding `json:"findings"`
}

func encodeHead(in *Invoice) ([]byte, error) {
	h := head{Document: in.Document, Findings: in.Findings}
	h.Itens, h.Transporte, h.Pagamentos, h.Referencias, h.InformacoesFiscais = nil, nil, nil, nil, nil
	h.DataEmissao, h.DataEmissaoOffset = moment(h.DataEmissao)
	h.DataSaidaEntrada, h.DataSaidaEntradaOffset = moment(h.DataSaidaEntrada)
	return json.Marshal(h)
}

// moment returns a moment to the second, and its offset in minutes.
func moment(t nfe.Timestamp) (nfe.Timestamp, *int) {
	at, ok := t.Time()
	if !ok {
		return "", nil
	}
	_, seconds := at.Zone()
	minutes := seconds / int(time.Minute/time.Second)
	return nfe.NewTimestamp(at), &minutes
}

// Rows of tables whose elements are numbered.
type (
	numbered[T any] struct {
		NumeroItem int `json:"numero_item"`
		Row        T   `json:",embed"`
	}
	sequenced[T any] struct {
		Sequence int `json:"sequence"`
		Row      T   `json:",embed"`
	}
)

// taxes are the rows of a tax: of the items that have it.
func taxes[T any](items []nfe.Item, of func(*nfe.Item) *T) []numbered[T] {
	rows := make([]numbered[T], 0, len(items))
	for i := range items {
		if tax := of(&items[i]); tax != nil {
			rows = append(rows, numbered[T]{items[i].NumeroItem, *tax})
		}
	}
	return rows
}

func sequence[T any](list []T) []sequenced[T] {
	rows := make([]sequenced[T], len(list))
	for i := range list {
		rows[i] = sequenced[T]{i + 1, list[i]}
	}
	return rows
}

// putContent writes what belongs to a document that has nothing yet.
func (s *Service) putContent(ctx context.Context, tx tenantdb.DBTX, tenant string, id uuid.UUID, d *nfe.Document) error {
	items := make([]nfe.Item, len(d.Itens))
	for i, item := range d.Itens {
		item.ICMS, item.IPI, item.PIS, item.COFINS = nil, nil, nil, nil
		items[i] = item
	}
	transport, volumes := []nfe.Transport{}, []nfe.Volume{}
	if d.Transporte != nil {
		volumes = d.Transporte.Volumes
		t := *d.Transporte
		t.Volumes = nil
		transport = append(transport, t)
	}
	p := tenantdb.PutNfeContentParams{TenantID: tenant, DocumentID: id}
	for _, part := range []struct {
		rows any
		into *[]byte
	}{
		{items, &p.Itens},
		{taxes(d.Itens, func(i *nfe.Item) *nfe.ICMS { return i.ICMS }), &p.Icms},
		{taxes(d.Itens, func(i *nfe.Item) *nfe.IPI { return i.IPI }), &p.Ipi},
		{taxes(d.Itens, func(i *nfe.Item) *nfe.Contribution { return i.PIS }), &p.Pis},
		{taxes(d.Itens, func(i *nfe.Item) *nfe.Contribution { return i.COFINS }), &p.Cofins},
		{transport, &p.Transporte},
		{sequence(volumes), &p.Volumes},
		{sequence(d.Pagamentos), &p.Pagamentos},
		{sequence(d.Referencias), &p.Referencias},
		{sequence(d.InformacoesFiscais), &p.InformacoesFiscais},
	} {
		text, err := json.Marshal(part.rows)
		if err != nil {
			return err
		}
		*part.into = text
	}
	return s.queries.PutNfeContent(ctx, tx, p)
}

// parties takes the parties of a document from their rows, and holds these until
// the transaction ends. What is not there is refused with its path.
func (s *Service) parties(ctx context.Context, tx tenantdb.DBTX, tenant string, d *nfe.Document) error {
	var missing []problem.Field
	take := func(pointer, id string, read func(uuid.UUID) ([]byte, error), into any) error {
		if id == "" {
			return nil
		}
		text, err := read(uuid.MustParse(id))
		if problem.Is(err, problem.NotFound) {
			missing = append(missing, unknown(pointer))
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(text, into)
	}
	err := take("/emitter_id", d.EmitterID, func(id uuid.UUID) ([]byte, error) {
		return s.queries.HoldNfeEmitter(ctx, tx, tenantdb.HoldNfeEmitterParams{TenantID: tenant, ID: id})
	}, &d.Emitente)
	if err != nil {
		return err
	}
	err = take("/recipient_id", d.RecipientID, func(id uuid.UUID) ([]byte, error) {
		return s.queries.HoldNfeRecipient(ctx, tx, tenantdb.HoldNfeRecipientParams{TenantID: tenant, ID: id})
	}, &d.Destinatario)
	if err != nil {
		return err
	}
	products, err := s.missingProducts(ctx, tx, tenant, d.Itens)
	if err != nil {
		return err
	}
	if missing = append(missing, products...); len(missing) > 0 {
		return &problem.Error{Code: problem.ValidationFailed, Fields: missing}
	}
	return nil
}

// missingProducts holds the products of items and returns those that there are not.
func (s *Service) missingProducts(ctx context.Context, tx tenantdb.DBTX, tenant string, items []nfe.Item) ([]problem.Field, error) {
	var ids []uuid.UUID
	for i := range items {
		if id := items[i].ProductID; id != "" {
			ids = append(ids, uuid.MustParse(id))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	held, err := s.queries.HoldNfeProducts(ctx, tx, tenantdb.HoldNfeProductsParams{TenantID: tenant, Ids: ids})
	if err != nil {
		return nil, err
	}
	there := make(map[uuid.UUID]bool, len(held))
	for _, id := range held {
		there[id] = true
	}
	var missing []problem.Field
	for i := range items {
		if id := items[i].ProductID; id != "" && !there[uuid.MustParse(id)] {
			missing = append(missing, unknown(fmt.Sprintf("/itens/%d/product_id", i)))
		}
	}
	return missing[:min(len(missing), maxFields)], nil
}

func unknown(pointer string) problem.Field {
	return problem.Field{Name: pointer, Code: "not_found", Message: "there is no such row"}
}

// readHead reads a document without its lists.
func readHead(text []byte) (*Invoice, error) {
	var in Invoice
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	nfe.Normalize(&in.Document) // null of an opaque group is absent
	return &in, nil
}

// encodeState is a document as statements take it that write where it stands.
func encodeState(in *Invoice) ([]byte, error) {
	head := *in
	head.Itens, head.Transporte, head.Pagamentos, head.Referencias, head.InformacoesFiscais = nil, nil, nil, nil, nil
	head.IBSCBS = nil
	return json.Marshal(head)
}

// putState writes what a step has changed.
func (s *Service) putState(ctx context.Context, tx tenantdb.DBTX, tenant string, in *Invoice) error {
	text, err := encodeState(in)
	if err != nil {
		return err
	}
	return s.queries.PutNfeState(ctx, tx, tenantdb.PutNfeStateParams{TenantID: tenant, ID: uuid.MustParse(in.ID), Head: text})
}
