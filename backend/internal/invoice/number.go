package invoice

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
)

// maxNumber is the last number of a series.
const maxNumber = 999_999_999

// series is what documents are numbered by.
type series struct {
	tenant                  string
	emitter                 uuid.UUID
	ambiente, modelo, serie string
	// emissao is the tipo_emissao of an NFC-e, whose numbers differ by it; else
	// empty.
	emissao string
}

func seriesOf(tenant, emitter, ambiente, modelo, serie, emissao string) series {
	if modelo != nfe.ModeloNFCe {
		emissao = ""
	}
	return series{tenant, uuid.MustParse(emitter), ambiente, modelo, serie, emissao}
}

// lock keeps others from the numbers of a series until the transaction ends, and
// returns the last one that was given out.
func (s *Service) lock(ctx context.Context, tx tenantdb.DBTX, n series) (int32, error) {
	row, err := s.queries.LockNfeNumbers(ctx, tx, tenantdb.LockNfeNumbersParams{
		TenantID: n.tenant, EmitterID: n.emitter, Ambiente: n.ambiente, Modelo: n.modelo, Serie: n.serie, TipoEmissao: n.emissao,
	})
	return row.LastNumber, err
}

// lastUsed returns the highest number of a series, at most upTo, that a document
// has; 0 for none.
func (s *Service) lastUsed(ctx context.Context, tx tenantdb.DBTX, n series, upTo int32) (int32, error) {
	return s.queries.LastNfeNumber(ctx, tx, tenantdb.LastNfeNumberParams{
		TenantID: n.tenant, EmitterID: &n.emitter, Ambiente: &n.ambiente, Modelo: &n.modelo, Serie: &n.serie, TipoEmissao: n.emissao, UpTo: upTo,
	})
}

// voidedTo returns the last number of the voided range that begins last up to a
// number; 0 for none.
func (s *Service) voidedTo(ctx context.Context, tx tenantdb.DBTX, n series, upTo int32) (int32, error) {
	return s.queries.VoidedNfeNumber(ctx, tx, tenantdb.VoidedNfeNumberParams{
		TenantID: n.tenant, EmitterID: n.emitter, Ambiente: n.ambiente, Modelo: n.modelo, Serie: n.serie, TipoEmissao: n.emissao, UpTo: upTo,
	})
}

// allocate gives out the next number of a series. It is the transaction's: when
// that fails, the next one gets it. Documents that came with a number of their own
// are counted in, and what was voided is passed over.
func (s *Service) allocate(ctx context.Context, tx tenantdb.DBTX, n series) (string, error) {
	last, err := s.lock(ctx, tx, n)
	if err != nil {
		return "", err
	}
	used, err := s.lastUsed(ctx, tx, n, maxNumber)
	if err != nil {
		return "", err
	}
	last = max(last, used)
	for {
		voided, err := s.voidedTo(ctx, tx, n, last+1)
		if err != nil {
			return "", err
		}
		if voided <= last {
			break
		}
		last = voided
	}
	if last >= maxNumber {
		return "", problem.Newf(problem.Conflict, "Series %s has no numbers left.", n.serie)
	}
	last++
	return strconv.Itoa(int(last)), s.queries.SetNfeNumbers(ctx, tx, tenantdb.SetNfeNumbersParams{
		TenantID: n.tenant, EmitterID: n.emitter, Ambiente: n.ambiente, Modelo: n.modelo, Serie: n.serie, TipoEmissao: n.emissao, LastNumber: last,
	})
}
