package nfe

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	numbering     = Numbering{Serie: "1", Numero: "123", CodigoNumerico: "48219375"}
	authorization = Authorization{Protocolo: "135260000000001", Data: "2026-07-14T12:01:00-03:00", ChaveAcesso: goodKey}
	denial        = Denial{Codigo: "302", Protocolo: "135260000000001", Data: "2026-07-14T12:01:00-03:00"}
	cancellation  = Cancellation{Justificativa: "Erro na digitação do pedido", Protocolo: "135260000000002", Data: "2026-07-14T12:20:00-03:00"}
)

// in returns a document in a state, by the way that leads there.
func in(t *testing.T, s State) *Document {
	t.Helper()
	d := sample()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if s == StateDraft {
		return d
	}
	must(Issue(d, numbering, sampleTime))
	switch s {
	case StateAuthorized:
		must(Authorize(d, authorization))
	case StateCancelled:
		must(Authorize(d, authorization))
		must(Cancel(d, cancellation, DefaultWindows()))
	case StateDenied:
		must(Deny(d, denial))
	}
	if got := d.State(); got != s {
		t.Fatalf("got state %s, want %s", got, s)
	}
	return d
}

var transitions = map[Transition]func(*Document) error{
	ToEdit:      func(d *Document) error { return Edit(d, sample()) },
	ToDelete:    func(d *Document) error { return d.Can(ToDelete) },
	ToIssue:     func(d *Document) error { return Issue(d, numbering, sampleTime) },
	ToAuthorize: func(d *Document) error { return Authorize(d, authorization) },
	ToReject:    Reject,
	ToDeny:      func(d *Document) error { return Deny(d, denial) },
	ToCancel:    func(d *Document) error { return Cancel(d, cancellation, DefaultWindows()) },
}

// Every transition in every state: what is not allowed is a StateError and changes
// nothing.
func TestTransitions(t *testing.T) {
	t.Parallel()
	allowed := map[State][]Transition{
		StateDraft:      {ToEdit, ToDelete, ToIssue},
		StateIssued:     {ToAuthorize, ToReject, ToDeny},
		StateAuthorized: {ToCancel},
		StateCancelled:  nil,
		StateDenied:     nil,
	}
	for s, list := range allowed {
		for name, apply := range transitions {
			d, before := in(t, s), in(t, s)
			err := apply(d)
			if slices.Contains(list, name) {
				if err != nil {
					t.Errorf("%s from %s: %v", name, s, err)
				}
				if to, _ := Next(s, name); to != "" && d.State() != to {
					t.Errorf("%s from %s leads to %s, want %s", name, s, d.State(), to)
				}
				continue
			}
			var state *StateError
			if !errors.As(err, &state) || state.State != s || state.Transition != name {
				t.Errorf("%s from %s: got %v, want a StateError", name, s, err)
			}
			if _, ok := Next(s, name); ok {
				t.Errorf("%s from %s is a step", name, s)
			}
			if diff := cmp.Diff(before, d); diff != "" {
				t.Errorf("%s from %s changed the document: %s", name, s, diff)
			}
		}
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	d := sample()
	if _, err := CheckIssue(d, options()); err != nil {
		t.Fatal(err)
	}
	if err := Issue(d, numbering, sampleTime); err != nil {
		t.Fatal(err)
	}
	if d.NfeID != goodKey || d.Status != Draft || d.IssuedAt != "2026-07-14T15:00:00Z" || d.Numero != "123" {
		t.Errorf("issued: key %s, status %s, at %s, number %s", d.NfeID, d.Status, d.IssuedAt, d.Numero)
	}
	if got := Validate(d, options()); len(got) > 0 {
		t.Errorf("an issued document has findings: %+v", got)
	}
	if err := Reject(d); err != nil {
		t.Fatal(err)
	}
	if d.NfeID != "" || d.IssuedAt != "" || d.Numero != "123" || d.CodigoNumerico != "48219375" {
		t.Errorf("rejected: key %q, at %q, number %q, cNF %q", d.NfeID, d.IssuedAt, d.Numero, d.CodigoNumerico)
	}
	if err := d.Can(ToDelete); err == nil {
		t.Error("a draft with a number may be deleted")
	}
	// The retry keeps the numbering whatever it is given, and makes a new key.
	d.DataEmissao = "2026-08-01T10:30:00-03:00"
	if err := Issue(d, Numbering{"2", "7", "11223344"}, sampleTime); err != nil {
		t.Fatal(err)
	}
	if k, _ := ParseKey(d.NfeID); k.Month != "2608" || k.Numero != "000000123" || k.Serie != "001" || CheckKey(d.NfeID) != 0 {
		t.Errorf("issued again: %+v", k)
	}
}

func TestIssueOfAPersonAndAlphanumeric(t *testing.T) {
	t.Parallel()
	d := sample()
	d.Emitente.CNPJ = "12ABC34501DE35"
	if err := Issue(d, numbering, sampleTime); err != nil {
		t.Fatal(err)
	}
	if want := "35260712ABC34501DE35550010000001231482193750"; d.NfeID != want {
		t.Errorf("got key %s, want %s", d.NfeID, want)
	}
	person := sample()
	person.Emitente.CNPJ, person.Emitente.CPF = "", "52998224725"
	if err := Issue(person, Numbering{"920", "123", "48219375"}, sampleTime); err != nil {
		t.Fatal(err)
	}
	if k, _ := ParseKey(person.NfeID); k.Issuer != "00052998224725" || CheckKey(person.NfeID) != 0 {
		t.Errorf("a person's key: %s", person.NfeID)
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	bad := sample()
	bad.ValorTotal = "16.00"
	findings, err := CheckIssue(bad, options())
	var refused *RefusedError
	if !errors.As(err, &refused) || len(findings) == 0 || !slices.Equal(findings, refused.Findings) {
		t.Errorf("a document with errors: %+v, %v", findings, err)
	}
	late := sample()
	late.DataEmissao = "2026-01-14T10:30:00-03:00"
	if findings, err := CheckIssue(late, options()); err != nil || len(findings) != 1 {
		t.Errorf("a document with a warning: %+v, %v", findings, err)
	}
	if _, err := CheckIssue(in(t, StateDenied), options()); !errors.As(err, new(*StateError)) {
		t.Errorf("a denied document: %v", err)
	}
	for want, n := range map[string]Numbering{
		"required /serie 225":            {"", "123", "48219375"},
		"required /numero 225":           {"1", "", "48219375"},
		"required /codigo_numerico 225":  {"1", "123", ""},
		"format /numero 225":             {"1", "1000000000", "48219375"},
		"format /serie 225":              {"001", "123", "48219375"},
		"serie.range /serie 266":         {"890", "123", "48219375"},
		"code.weak /codigo_numerico 897": {"1", "123", "00000123"},
		"format /codigo_numerico 225":    {"1", "123", "1"},
	} {
		d := sample()
		err := Issue(d, n, sampleTime)
		if !errors.As(err, &refused) || !slices.Equal(found(refused.Findings), []string{want}) {
			t.Errorf("%+v: got %v, want %s", n, err, want)
		}
		if diff := cmp.Diff(sample(), d); diff != "" {
			t.Errorf("%+v changed the draft: %s", n, diff)
		}
	}
	nobody := sample()
	nobody.Emitente = nil
	if err := Issue(nobody, numbering, sampleTime); !errors.Is(err, ErrKeyParts) || nobody.Numero != "" {
		t.Errorf("without an emitter: %v", err)
	}
}

func TestOutcomesRefuse(t *testing.T) {
	t.Parallel()
	for want, apply := range map[string]func(*Document) error{
		"protocol.form /protocolo": func(d *Document) error {
			return Authorize(d, Authorization{"1", authorization.Data, goodKey})
		},
		"required /data 225": func(d *Document) error {
			return Authorize(d, Authorization{authorization.Protocolo, "", goodKey})
		},
		"key.mismatch /chave_acesso 502": func(d *Document) error {
			return Authorize(d, Authorization{authorization.Protocolo, authorization.Data, otherKey})
		},
		"code.unknown /codigo 225": func(d *Document) error { return Deny(d, Denial{"304", denial.Protocolo, denial.Data}) },
		"date.form /data 225":      func(d *Document) error { return Deny(d, Denial{"110", denial.Protocolo, "today"}) },
	} {
		d := in(t, StateIssued)
		err := apply(d)
		var refused *RefusedError
		if !errors.As(err, &refused) || !slices.Equal(found(refused.Findings), []string{want}) {
			t.Errorf("got %v, want %s", err, want)
		}
		if d.State() != StateIssued {
			t.Errorf("%s: the state is %s", want, d.State())
		}
	}
	denied := in(t, StateDenied)
	if denied.CodigoDenegacao != "302" || denied.ProtocoloAutorizacao == "" || denied.Numero != "123" {
		t.Errorf("denied: %+v", denied)
	}
}

func TestCancelWindows(t *testing.T) {
	t.Parallel()
	windows := DefaultWindows()
	windows.UF = map[string]Window{"SP": {NFe: 480 * time.Hour}, "RJ": {NFCe: time.Hour}}
	for _, c := range []struct {
		modelo, uf string
		after      time.Duration
		want       bool
	}{
		{"55", "MG", 24 * time.Hour, true},
		{"55", "MG", 24*time.Hour + time.Second, false},
		{"65", "MG", 30 * time.Minute, true},
		{"65", "MG", 30*time.Minute + time.Second, false},
		{"55", "SP", 480 * time.Hour, true},
		{"55", "SP", 480*time.Hour + time.Second, false},
		{"65", "SP", 31 * time.Minute, false},
		{"65", "RJ", time.Hour, true},
		{"55", "RJ", 25 * time.Hour, false},
		{"55", "MG", 0, true},
		{"55", "MG", -time.Second, false},
	} {
		d := in(t, StateAuthorized)
		d.Modelo, d.Emitente.UF = c.modelo, c.uf
		at, _ := d.DataAutorizacao.Time()
		n := cancellation
		n.Data = NewTimestamp(at.Add(c.after))
		err := Cancel(d, n, windows)
		if got := err == nil; got != c.want {
			t.Errorf("modelo %s in %s after %s: %v", c.modelo, c.uf, c.after, err)
		}
		var refused *RefusedError
		if err != nil && (!errors.As(err, &refused) || !slices.Equal(found(refused.Findings), []string{"cancel.window /data 501"})) {
			t.Errorf("modelo %s in %s after %s: %v", c.modelo, c.uf, c.after, err)
		}
	}
	for want, change := range map[string]func(*Cancellation){
		"text.length /justificativa 225": func(n *Cancellation) { n.Justificativa = "Erro" },
		"required /justificativa 225":    func(n *Cancellation) { n.Justificativa = "" },
		"protocol.form /protocolo":       func(n *Cancellation) { n.Protocolo = "13526000000000X" },
		"date.form /data 225":            func(n *Cancellation) { n.Data = "2026-07-14" },
	} {
		n := cancellation
		change(&n)
		var refused *RefusedError
		err := Cancel(in(t, StateAuthorized), n, windows)
		if !errors.As(err, &refused) || !slices.Equal(found(refused.Findings), []string{want}) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	forged := sample()
	forged.ID, forged.Status, forged.NfeID, forged.Numero, forged.CodigoNumerico = "x", Authorized, goodKey, "9", "48219375"
	forged.ProtocoloAutorizacao, forged.CodigoDenegacao, forged.MotivoCancelamento = "135260000000001", "110", "Erro de digitação"
	forged.ProtocoloCancelamento, forged.DataCancelamento = "135260000000001", "2026-07-14T12:20:00-03:00"
	forged.DataAutorizacao, forged.IssuedAt, forged.CreatedAt, forged.UpdatedAt, forged.Version = "x", "x", "x", "x", 9
	if err := Edit(&Document{}, forged); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), forged); diff != "" {
		t.Errorf("a new document keeps what is the server's (-want +got):\n%s", diff)
	}

	before := sample()
	before.ID, before.Version, before.Numero, before.CodigoNumerico = "id", 4, "123", "48219375"
	after := sample()
	after.Contrato, after.Serie = "7", ""
	if err := Edit(before, after); err != nil || after.Serie != "1" || after.Numero != "123" || after.Version != 4 || after.ID != "id" || after.Contrato != "7" {
		t.Errorf("edited: %+v, %v", after, err)
	}
	for want, change := range map[string]func(*Document){
		"numbering.kept /serie":    func(d *Document) { d.Serie = "2" },
		"numbering.kept /ambiente": func(d *Document) { d.Ambiente = "2" },
		"numbering.kept /modelo":   func(d *Document) { d.Modelo = "65"; d.TipoEmissao = "" },
		"numbering.kept /emitente": func(d *Document) { d.Emitente.CNPJ = "42318949000184" },
	} {
		after := sample()
		change(after)
		var refused *RefusedError
		if err := Edit(before, after); !errors.As(err, &refused) || !slices.Equal(found(refused.Findings), []string{want}) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValidateVoid(t *testing.T) {
	t.Parallel()
	good := VoidRange{EmitterID: someID, Ambiente: "1", Modelo: "55", Serie: "1", NumeroInicial: "5", NumeroFinal: "9", Justificativa: "Falha do sistema de vendas"}
	if got := ValidateVoid(&good); len(got) > 0 {
		t.Errorf("a good range: %+v", got)
	}
	for want, change := range map[string]func(*VoidRange){
		"required /emitter_id 225":       func(r *VoidRange) { r.EmitterID = "" },
		"format /emitter_id 225":         func(r *VoidRange) { r.EmitterID = "1" },
		"required /ambiente 225":         func(r *VoidRange) { r.Ambiente = "" },
		"code.unknown /modelo 225":       func(r *VoidRange) { r.Modelo = "57" },
		"required /tipo_emissao 225":     func(r *VoidRange) { r.Modelo = "65" },
		"format /serie 225":              func(r *VoidRange) { r.Serie = "-1" },
		"format /numero_inicial 225":     func(r *VoidRange) { r.NumeroInicial = "0" },
		"required /numero_final 225":     func(r *VoidRange) { r.NumeroFinal = "" },
		"void.order /numero_final 224":   func(r *VoidRange) { r.NumeroFinal = "4" },
		"void.size /numero_final 201":    func(r *VoidRange) { r.NumeroFinal = "10005" },
		"text.length /justificativa 225": func(r *VoidRange) { r.Justificativa = "Falha" },
		"protocol.form /protocolo":       func(r *VoidRange) { r.Protocolo = "x" },
	} {
		r := good
		change(&r)
		if got := found(ValidateVoid(&r)); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	one, most := good, good
	one.NumeroFinal, most.NumeroFinal = "5", "10004"
	if got := append(ValidateVoid(&one), ValidateVoid(&most)...); len(got) > 0 {
		t.Errorf("one number and the most numbers: %+v", got)
	}
}

func TestErrorsSayWhat(t *testing.T) {
	t.Parallel()
	state := &StateError{StateDenied, ToCancel}
	if got, want := state.Error(), "a document that is denied cannot be changed by cancel"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	refused := &RefusedError{[]Finding{{Path: "/serie", Rule: "required"}, {}}}
	if got, want := refused.Error(), `2 findings, the first required at "/serie"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
