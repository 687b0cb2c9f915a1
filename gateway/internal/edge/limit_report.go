package edge

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// explainTime is how long an operator waits for Redis, who has more patience than
// a request.
const explainTime = time.Second

// explanation is the answer of Explain.
type explanation struct {
	TenantID  string           `json:"tenant_id"`
	Plan      string           `json:"plan"`
	UserID    *uuid.UUID       `json:"user_id"`
	Operation *string          `json:"operation"`
	Class     *string          `json:"class"`
	Limits    []explainedLimit `json:"limits"`
}

type explainedLimit struct {
	Policy    string  `json:"policy"`
	Requests  int     `json:"requests"`
	Period    int64   `json:"period"` // seconds
	Burst     int     `json:"burst"`
	Source    string  `json:"source"` // plan, tenant or user
	Shadow    bool    `json:"shadow"`
	Remaining int64   `json:"remaining"`
	Reset     int64   `json:"reset"` // seconds until there is one more
	Owner     *string `json:"owner"`
	Reason    *string `json:"reason"`
	ExpiresAt *string `json:"expires_at"`
}

// Explain answers which limits are in force for a tenant, one of its users and
// an operation, where each comes from, and what the fleet has left of it.
func (l *Limits) Explain(table *route.Table) Handler {
	operations := map[string]*route.Route{}
	for _, r := range table.Routes() {
		operations[r.ID] = r
	}
	return func(ex *Exchange) {
		q := readQuery(ex, "tenant_id", "user_id", "operation")
		t := l.tenants(q.text("tenant_id"))
		if q.text("tenant_id") == "" {
			q.wrong("tenant_id", "required", "is required")
		} else if t == nil || t.Status == "deleted" {
			q.wrong("tenant_id", "invalid_value", "is not the id of a tenant")
		}
		user := q.uuid("user_id")
		var operation *route.Route
		if id := q.text("operation"); id != "" {
			if operation = operations[id]; operation == nil {
				q.wrong("operation", "invalid_value", "is not the operationId of an operation")
			}
		}
		if err := q.err(); err != nil {
			ex.Refuse(err)
			return
		}
		e, err := l.explain(ex, t, user, operation)
		if err != nil {
			ex.Refuse(problem.Wrap(problem.Unavailable, err))
			return
		}
		ex.answer(e)
	}
}

func (l *Limits) explain(ex *Exchange, t *limit.Tenant, user *uuid.UUID, operation *route.Route) (explanation, error) {
	e := explanation{TenantID: t.ID, Plan: t.Plan, UserID: user}
	names := []string{limit.PerTenant, limit.PerUser}
	if operation != nil {
		class := string(operation.Class)
		e.Operation, e.Class = &operation.ID, &class
		names = append(names, class)
	}
	claims := token.Claims{Tenant: t.ID}
	if user != nil {
		claims.UserID = *user
	}
	tag, split := appendIdentity(nil, &claims)
	var found []inForce
	var charges []ratelimit.Charge
	for _, name := range names {
		for _, f := range l.inForce(l.policies.Load().Plan(planOf(t)), t, claims.UserID, name, ex.Start) {
			if f.policy == nil {
				continue
			}
			c := ratelimit.Charge{Policy: f.policy}
			if name != limit.PerTenant {
				c.Key = tag[split:]
			}
			found, charges = append(found, f), append(charges, c)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), explainTime)
	defer cancel()
	if err := l.limiter.Peek(ctx, tag[:split], charges); err != nil {
		return e, err
	}
	for i, f := range found {
		e.Limits = append(e.Limits, explained(f, charges[i].Decision))
	}
	if f, limited := l.admission.explain(t, ex.Start); limited {
		e.Limits = append(e.Limits, f)
	}
	slices.SortStableFunc(e.Limits, func(a, b explainedLimit) int {
		if a.Shadow != b.Shadow {
			return boolOrder(a.Shadow)
		}
		return cmp.Or(cmp.Compare(a.Remaining, b.Remaining),
			cmp.Compare(int64(a.Requests)*b.Period, int64(b.Requests)*a.Period))
	})
	return e, nil
}

// boolOrder puts what is true last.
func boolOrder(a bool) int {
	if a {
		return 1
	}
	return -1
}

func explained(f inForce, d ratelimit.Decision) explainedLimit {
	p := f.policy
	e := explainedLimit{
		Policy: p.Name, Requests: p.Limit.Requests, Period: int64(p.Limit.Period / time.Second), Burst: p.Limit.Burst,
		Source: "plan", Shadow: p.Shadow, Remaining: d.Remaining, Reset: int64((d.Wait + time.Second - 1) / time.Second),
	}
	e.agreed(f.agreement)
	return e
}

// agreed fills in the override that a limit comes from, if there is one.
func (e *explainedLimit) agreed(a *ratelimit.Agreement) {
	if a == nil {
		return
	}
	e.Source = "tenant"
	if a.User != uuid.Nil {
		e.Source = "user"
	}
	e.Owner, e.Reason = &a.Owner, &a.Reason
	if !a.ExpiresAt.IsZero() {
		e.ExpiresAt = new(timestamp(a.ExpiresAt))
	}
}

// shadowReport is the answer of ReportShadow.
type shadowReport struct {
	Since    string        `json:"since"`
	Complete bool          `json:"complete"`
	Limits   []shadowLimit `json:"limits"`
}

type shadowLimit struct {
	Policy   string  `json:"policy"`
	TenantID *string `json:"tenant_id"`
	Requests int64   `json:"requests"`
}

// ReportShadow answers what limits in shadow would have refused.
func (l *Limits) ReportShadow(ex *Exchange) {
	if err := readQuery(ex).err(); err != nil {
		ex.Refuse(err)
		return
	}
	rows, since, complete, err := l.shadow.Report(context.Background())
	if err != nil {
		ex.Refuse(problem.Wrap(problem.Unavailable, err))
		return
	}
	report := shadowReport{Since: timestamp(since), Complete: complete, Limits: []shadowLimit{}}
	for _, row := range rows {
		r := shadowLimit{Policy: row.Policy, Requests: row.Requests}
		if row.Tenant != "" {
			r.TenantID = &row.Tenant
		}
		report.Limits = append(report.Limits, r)
	}
	ex.answer(report)
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// answer writes the envelope of a success.
func (ex *Exchange) answer(data any) {
	body, err := json.Marshal(struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}{"ok", data})
	if err != nil {
		ex.Refuse(problem.Wrap(problem.Internal, err))
		return
	}
	ex.Ctx.Response.Header.SetContentType("application/json")
	ex.Ctx.Response.SetBody(body)
}

// query is the query of an operation that the edge answers by itself.
type query struct {
	values url.Values
	fields []problem.Field
}

// Bounds of what is said about a query.
const (
	maxQueryName = 100 // bytes of an unknown parameter's name
	maxFindings  = 100
)

// readQuery reads the query strictly: a parameter of none of the names, or one
// given twice, is a finding.
func readQuery(ex *Exchange, names ...string) *query {
	q := &query{}
	text := string(ex.Target[min(len(ex.Target), len(ex.Path)+1):])
	var err error
	if q.values, err = url.ParseQuery(text); err != nil {
		q.wrong("", "invalid_format", "must be well-formed")
		return q
	}
	for name, given := range q.values {
		if !slices.Contains(names, name) {
			q.wrong(name[:min(len(name), maxQueryName)], "unknown_parameter", "is not a parameter of this operation")
		} else if len(given) > 1 {
			q.wrong(name, "repeated", "occurs more than once")
		}
	}
	slices.SortFunc(q.fields, func(a, b problem.Field) int { return cmp.Compare(a.Name, b.Name) })
	return q
}

func (q *query) wrong(name, code, message string) {
	if len(q.fields) == maxFindings {
		return
	}
	q.fields = append(q.fields, problem.Field{Name: name, Code: code, Message: message})
}

func (q *query) text(name string) string { return q.values.Get(name) }

// uuid returns a UUID in its usual form, or nil when there is none.
func (q *query) uuid(name string) *uuid.UUID {
	text := q.text(name)
	if text == "" {
		return nil
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		q.wrong(name, "invalid_format", "must be a UUID")
		return nil
	}
	return &id
}

func (q *query) err() *problem.Error {
	if len(q.fields) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.InvalidQuery, Fields: q.fields}
}
