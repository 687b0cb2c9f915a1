// Package trail records who changed what. An [Entry] is written in the
// transaction of the change itself, so that there is never one without the
// other; a security event is also logged under a fixed name and counted.
package trail

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/token"
)

// Origin is who asks for something, and from where.
type Origin struct {
	// Claims are zero when nobody is signed in.
	Claims    token.Claims
	RequestID string
	IP        string
	UserAgent string // at most 255 code points
}

// Action names a kind of change. The names are part of the API.
type Action string

// The actions.
const (
	UserSignup     Action = "user.signup"
	UserCreate     Action = "user.create"
	UserUpdate     Action = "user.update"
	UserRole       Action = "user.role"
	UserActivate   Action = "user.activate"
	UserDeactivate Action = "user.deactivate"
	UserDelete     Action = "user.delete"
	UserPassword   Action = "user.password"

	SessionEnd    Action = "session.end"
	SessionEndAll Action = "session.end_all"
	SessionReuse  Action = "session.reuse"
	LoginBackoff  Action = "login.backoff"

	InvitationCreate Action = "invitation.create"
	InvitationUse    Action = "invitation.use"
	InvitationDelete Action = "invitation.delete"

	TenantCreate  Action = "tenant.create"
	TenantUpdate  Action = "tenant.update"
	TenantSuspend Action = "tenant.suspend"
	TenantResume  Action = "tenant.resume"
	TenantDelete  Action = "tenant.delete"
	TenantMove    Action = "tenant.move"
	LimitsUpdate  Action = "limits.update"

	ContactImport Action = "contact.import"
	ContactExport Action = "contact.export"

	EmitterCreate   Action = "emitter.create"
	EmitterUpdate   Action = "emitter.update"
	EmitterDelete   Action = "emitter.delete"
	RecipientCreate Action = "recipient.create"
	RecipientUpdate Action = "recipient.update"
	RecipientDelete Action = "recipient.delete"
	ProductCreate   Action = "product.create"
	ProductUpdate   Action = "product.update"
	ProductDelete   Action = "product.delete"
	NfeCreate       Action = "nfe.create"
	NfeUpdate       Action = "nfe.update"
	NfeDelete       Action = "nfe.delete"
	NfeIssue        Action = "nfe.issue"
	NfeAuthorize    Action = "nfe.authorize"
	NfeReject       Action = "nfe.reject"
	NfeDeny         Action = "nfe.deny"
	NfeCancel       Action = "nfe.cancel"
	NfeVoid         Action = "nfe.void"
	NfeImport       Action = "nfe.import"
)

// Actions lists every action.
func Actions() []string {
	var names []string
	for _, a := range []Action{
		UserSignup, UserCreate, UserUpdate, UserRole, UserActivate, UserDeactivate, UserDelete, UserPassword,
		SessionEnd, SessionEndAll, SessionReuse, LoginBackoff,
		InvitationCreate, InvitationUse, InvitationDelete,
		TenantCreate, TenantUpdate, TenantSuspend, TenantResume, TenantDelete, TenantMove, LimitsUpdate,
		ContactImport, ContactExport,
		EmitterCreate, EmitterUpdate, EmitterDelete, RecipientCreate, RecipientUpdate, RecipientDelete,
		ProductCreate, ProductUpdate, ProductDelete,
		NfeCreate, NfeUpdate, NfeDelete, NfeIssue, NfeAuthorize, NfeReject, NfeDeny, NfeCancel, NfeVoid, NfeImport,
	} {
		names = append(names, string(a))
	}
	return names
}

// Entry is one line of the trail.
type Entry struct {
	Action Action
	// Target is what was changed: an id, mostly of a user or a tenant.
	Target string
	// Details say more in fixed words and bounded text; never a secret.
	Details map[string]string
}

var queries tenantdb.Queries

// Record writes an entry to the tenant's trail, in the transaction of the
// change that it tells of.
func Record(ctx context.Context, tx tenantdb.DBTX, tenant string, by Origin, e Entry) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	details := []byte("{}")
	if len(e.Details) > 0 {
		if details, err = json.Marshal(e.Details, json.Deterministic(true)); err != nil {
			return err
		}
	}
	p := tenantdb.CreateAuditEntryParams{
		TenantID: tenant, ID: id, Action: string(e.Action), IP: by.IP, RequestID: by.RequestID, Details: details,
	}
	if by.Claims.UserID != uuid.Nil {
		p.ActorID, p.Actor = &by.Claims.UserID, &by.Claims.Username
	}
	if e.Target != "" {
		p.Target = &e.Target
	}
	if err := queries.CreateAuditEntry(ctx, tx, p); err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

// Event is a security event: something that operators should be able to alert
// on.
type Event string

// The events, by the names that logs and metrics know them under.
const (
	RefreshReuse   Event = "refresh_reuse"   // a spent refresh token came again
	Backoff        Event = "login_backoff"   // too many failed sign-ins
	RoleChange     Event = "role_change"     // somebody got or lost a role
	OperatorAction Event = "operator_action" // an operator changed a tenant
)

var events = func() map[Event]*metrics.Counter {
	m := map[Event]*metrics.Counter{}
	for _, e := range []Event{RefreshReuse, Backoff, RoleChange, OperatorAction} {
		m[e] = metrics.NewCounter(fmt.Sprintf(`backend_security_events_total{event=%q}`, string(e)))
	}
	return m
}()

// Security logs and counts an event. It is called once the change is
// committed. Tenant is the tenant's keyed hash.
func Security(log *slog.Logger, e Event, tenant string, by Origin, attrs ...slog.Attr) {
	events[e].Inc()
	log.LogAttrs(context.Background(), slog.LevelWarn, "security event", append([]slog.Attr{
		slog.String("event", string(e)),
		slog.String("request_id", by.RequestID),
		slog.String("client", by.IP),
		slog.String("tenant", tenant),
	}, attrs...)...)
}
