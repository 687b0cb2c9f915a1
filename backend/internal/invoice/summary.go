package invoice

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/quagmt/udecimal"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// Total is what the documents of a month come to that have an emitter, an
// environment, a modelo and a status in common. The month is that of data_emissao
// where the issuer is.
type Total struct {
	Month      string     `json:"month"` // such as 2026-07
	EmitterID  *uuid.UUID `json:"emitter_id"`
	Ambiente   string     `json:"ambiente"`
	Modelo     string     `json:"modelo"`
	Status     string     `json:"status"`
	Documents  int64      `json:"documents"`
	ValorTotal nfe.Money  `json:"valor_total"`
}

const (
	month = "2006-01"
	// maxMonths is how many months a summary covers at most; without a beginning it
	// covers the last 12.
	maxMonths, usualMonths = 24, 12
)

// HandleSummary answers GET /nfe/summary.
func (s *Service) HandleSummary(r *web.Request) error {
	q := r.Query()
	isMonth := func(s string) bool { _, err := time.Parse(month, s); return err == nil && s[:4] != "0000" }
	from := q.Matching("from", isMonth, "must be a month such as 2026-07")
	to := q.Matching("to", isMonth, "must be a month such as 2026-07")
	emitter := q.UUID("emitter_id")
	if err := q.Err(); err != nil {
		return err
	}
	last := s.Now().UTC()
	if to != "" {
		last, _ = time.Parse(month, to)
	}
	end := time.Date(last.Year(), last.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	begin := end.AddDate(0, -usualMonths, 0)
	if from != "" {
		begin, _ = time.Parse(month, from)
	}
	if !begin.Before(end) || begin.AddDate(0, maxMonths, 0).Before(end) {
		return &problem.Error{Code: problem.InvalidQuery, Fields: []problem.Field{{Name: "from", Code: "out_of_range",
			Message: "must not be after to, and at most 24 months together with it"}}}
	}
	p := tenantdb.SumNfeParams{TenantID: r.Caller.Tenant, DatedGte: begin, DatedLt: end, EmitterID: emitter}
	key := "summary." + begin.Format(month) + "." + end.Format(month)
	if emitter != nil {
		key += "." + emitter.String()
	}
	return s.Cached.Body(r, key, func(ctx context.Context) ([]byte, error) { return s.summary(ctx, s.reads(r.Caller), p) })
}

func (s *Service) summary(ctx context.Context, db tenantdb.DBTX, p tenantdb.SumNfeParams) ([]byte, error) {
	rows, err := s.queries.SumNfe(ctx, db, p)
	if err != nil {
		return nil, err
	}
	totals := make([]Total, len(rows))
	for i, row := range rows {
		centavos, err := udecimal.Parse(row.Cents)
		if err != nil {
			return nil, err
		}
		reais, err := centavos.Div(udecimal.MustFromInt64(100, 0))
		if err != nil {
			return nil, err
		}
		totals[i] = Total{row.Month, row.EmitterID, row.Ambiente, row.Modelo, row.Status, row.Documents, nfe.Cents(reais)}
	}
	return web.Answer{Message: "ok", Data: totals}.Encode()
}
