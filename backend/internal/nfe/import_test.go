package nfe

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImport(t *testing.T) {
	t.Parallel()
	keyed := func() *Document {
		d := sample()
		d.Numero, d.CodigoNumerico = "123", "48219375"
		key, err := d.ComposeKey()
		if err != nil {
			t.Fatal(err)
		}
		d.NfeID = key
		return d
	}
	key := keyed().NfeID
	const at = Timestamp("2026-11-22T12:30:05Z")
	for name, tc := range map[string]struct {
		outcome *Outcome
		state   State
		denial  string
		paths   string // of what refuses it
	}{
		"no protocol":            {nil, StateIssued, "", ""},
		"authorized":             {&Outcome{"100", "135260000000123", at, key}, StateAuthorized, "", ""},
		"authorized late":        {&Outcome{"150", "135260000000123", at, key}, StateAuthorized, "", ""},
		"denied":                 {&Outcome{"302", "135260000000123", at, key}, StateDenied, "302", ""},
		"rejected":               {&Outcome{"539", "135260000000123", at, key}, "", "", "/status"},
		"nothing said":           {&Outcome{}, "", "", "/status /protocolo_autorizacao /data_autorizacao /nfe_id"},
		"protocol of 14 digits":  {&Outcome{"100", "13526000000012", at, key}, "", "", "/protocolo_autorizacao"},
		"moment of another form": {&Outcome{"100", "135260000000123", "22/11/2026", key}, "", "", "/data_autorizacao"},
		"of another document":    {&Outcome{"100", "135260000000123", at, key[:43] + "x"}, "", "", "/nfe_id"},
	} {
		d := keyed()
		err := Import(d, tc.outcome)
		var refused *RefusedError
		var paths []string
		if errors.As(err, &refused) {
			for _, f := range refused.Findings {
				paths = append(paths, f.Path)
			}
		}
		if got := strings.Join(paths, " "); got != tc.paths {
			t.Errorf("%s: refused for %q: %v", name, got, err)
			continue
		}
		if tc.paths != "" {
			if diff := cmp.Diff(keyed(), d); diff != "" {
				t.Errorf("%s: refused, and changed:\n%s", name, diff)
			}
			continue
		}
		if d.State() != tc.state || d.CodigoDenegacao != tc.denial || d.NfeID != key || d.IssuedAt == "" ||
			tc.outcome != nil && (d.ProtocoloAutorizacao != tc.outcome.Protocolo || d.DataAutorizacao != at) {
			t.Errorf("%s: got %s, %+v", name, d.State(), d)
		}
	}
}

// Only what says which document it is counts as misnumbered.
func TestMisnumbered(t *testing.T) {
	t.Parallel()
	if found := Misnumbered(Validate(sample(), Options{})); found != nil {
		t.Errorf("got %v", found)
	}
	for name, change := range map[string]func(*Document){
		"numero":   func(d *Document) { d.Numero = "" },
		"modelo":   func(d *Document) { d.Modelo = "" },
		"ambiente": func(d *Document) { d.Ambiente = "" },
		"emissao":  func(d *Document) { d.DataEmissao = "" },
		"emitente": func(d *Document) { d.Emitente = nil },
		"cnpj":     func(d *Document) { d.Emitente.CNPJ = "" },
		"digit":    func(d *Document) { d.NfeID = d.NfeID[:43] + string('0'+(d.NfeID[43]-'0'+1)%10) },
		"month":    func(d *Document) { d.DataEmissao = "2001-01-01T00:00:00Z" },
	} {
		d := sample()
		d.Numero, d.CodigoNumerico = "123", "48219375"
		d.NfeID, _ = d.ComposeKey()
		if found := Misnumbered(Validate(d, Options{})); found != nil {
			t.Fatalf("%s: before: %v", name, found)
		}
		if change(d); Misnumbered(Validate(d, Options{})) == nil {
			t.Errorf("%s: nothing is found", name)
		}
	}
	d := sample()
	d.ValorTotal, d.NaturezaOperacao = "1.00", ""
	if found := Misnumbered(Validate(d, Options{})); found != nil {
		t.Errorf("amounts: got %v", found)
	}
}
