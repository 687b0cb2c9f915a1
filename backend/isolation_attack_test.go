package backend

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/internal/token"
)

// How each parameter of the document is attacked. What is not here fails the
// test.
var (
	knownPaths   = []string{"sessions", "invitations", "users", "address-book", "nfe", "emitters", "recipients", "products", "tenants"}
	knownHeaders = []string{"X-Tenant-Id", "If-Match", "Idempotency-Key", "Accept-Language"}
	queryAttacks = map[string]func(v *loot) []string{
		"limit":          func(*loot) []string { return []string{"500"} },
		"cursor":         nil, // with the query that it belongs to
		"sort":           func(*loot) []string { return nil },
		"count":          func(*loot) []string { return []string{"exact"} },
		"format":         func(*loot) []string { return []string{"csv", "vcard"} },
		"dry_run":        func(*loot) []string { return []string{"true", "false"} },
		"on_error":       func(*loot) []string { return []string{"skip", "abort"} },
		"name":           part,
		"email":          part,
		"q":              part,
		"phone":          func(v *loot) []string { return []string{v.phone[:7], "1"} },
		"age":            func(*loot) []string { return []string{"42"} },
		"age_gte":        func(*loot) []string { return []string{"0"} },
		"age_lte":        func(*loot) []string { return []string{"150"} },
		"gender":         func(*loot) []string { return []string{"male"} },
		"role":           func(*loot) []string { return []string{"member", "admin", "operator"} },
		"active":         func(*loot) []string { return []string{"true"} },
		"action":         func(*loot) []string { return []string{"user.create", "invitation.create"} },
		"actor_id":       func(v *loot) []string { return []string{v.admin.id, v.member.id} },
		"created_gte":    func(*loot) []string { return []string{"2000-01-01T00:00:00Z"} },
		"created_lt":     func(*loot) []string { return []string{"2100-01-01T00:00:00Z"} },
		"tenant_id":      func(v *loot) []string { return []string{v.tenant} },
		"status":         func(*loot) []string { return []string{"active"} },
		"plan":           func(*loot) []string { return []string{"standard"} },
		"placement":      func(*loot) []string { return []string{"shared", "dedicated"} },
		"cnpj":           func(*loot) []string { return []string{"11222333000181", "12ABC34501DE35"} },
		"cpf":            func(*loot) []string { return []string{"52998224725"} },
		"id_estrangeiro": func(*loot) []string { return []string{"AB123456"} },
		"codigo":         func(v *loot) []string { return []string{v.mark[:12] + "0"} },
		"ativo":          func(*loot) []string { return []string{"true"} },
		"serie":          func(*loot) []string { return []string{"1"} },
		"emitter_id":     func(v *loot) []string { return []string{v.party.ids["emitters"]} },
		"issued_gte":     func(*loot) []string { return []string{"2000-01-01T00:00:00Z"} },
		"issued_lt":      func(*loot) []string { return []string{"2100-01-01T00:00:00Z"} },
		"min_total":      func(*loot) []string { return []string{"0"} },
		"max_total":      func(*loot) []string { return []string{"9999999999999.99"} },
		"from":           thisMonth,
		"to":             thisMonth,
	}
	// Those that mean something else in one operation.
	ownAttacks = map[string]func(v *loot) []string{
		"listNfe.status": func(*loot) []string { return []string{"draft", "authorized"} },
	}
	// Members of bodies that name something of a tenant's, by what is in them.
	bodyAttacks = map[string]func(w *walk) []any{
		"tenant_id":     func(w *walk) []any { return []any{w.victim.tenant} },
		"id":            func(w *walk) []any { return []any{w.victim.tenant, w.victim.member.id} },
		"db_url":        func(w *walk) []any { return []any{w.victim.owner.Reveal()} },
		"refresh_token": (*walk).relabelled,
		"invite_token":  func(w *walk) []any { return []any{w.victim.invitation} },
		"placement":     func(*walk) []any { return []any{"dedicated"} },
		// These hold what a user says of itself.
		"username": nil, "email": nil, "username_or_email": nil, "password": nil, "current_password": nil, "new_password": nil,
		"role": nil, "active": nil, "name": nil, "gender": nil, "age": nil, "address": nil, "phone": nil,
		"expires_in": nil, "plan": nil, "signup": nil, "session_mode": nil,
		"overrides": nil, // only operators have them, who administer all tenants
		// Of the catalogue of invoices.
		"cnpj": nil, "cpf": nil, "razao_social": nil, "nome_fantasia": nil, "inscricao_estadual": nil, "inscricao_estadual_subst_tributario": nil,
		"inscricao_municipal": nil, "cnae": nil, "regime_tributario": nil, "logradouro": nil, "complemento": nil, "bairro": nil,
		"codigo_municipio": nil, "municipio": nil, "uf": nil, "cep": nil, "codigo_pais": nil, "pais": nil, "telefone": nil, "tipo_pessoa": nil,
		"id_estrangeiro": nil, "inscricao_suframa": nil, "indicador_ie": nil, "ean": nil, "descricao": nil, "ncm": nil, "cest": nil, "cfop": nil,
		"unidade": nil, "valor_unitario": nil, "icms_cst": nil, "icms_aliquota": nil, "ipi_cst": nil, "ipi_aliquota": nil, "pis_cst": nil,
		"pis_aliquota": nil, "cofins_cst": nil, "cofins_aliquota": nil, "ativo": nil,
		// Of invoices.
		"emitter_id":   func(w *walk) []any { return []any{w.victim.party.ids["emitters"]} },
		"recipient_id": func(w *walk) []any { return []any{w.victim.party.ids["recipients"]} },
		"nfe_id":       nil, "status": nil, "data_autorizacao": nil, "data_cancelamento": nil, "protocolo_autorizacao": nil, "codigo_denegacao": nil,
		"protocolo_cancelamento": nil, "motivo_cancelamento": nil, "issued_at": nil, "created_at": nil, "updated_at": nil, "version": nil,
		"modelo": nil, "versao": nil, "ambiente": nil, "serie": nil, "numero": nil, "codigo_numerico": nil, "natureza_operacao": nil,
		"tipo_operacao": nil, "tipo_emissao": nil, "finalidade": nil, "id_destino": nil, "indicador_final": nil, "indicador_presencial": nil,
		"data_emissao": nil, "data_saida_entrada": nil, "justificativa_contingencia": nil, "emitente": nil, "destinatario": nil, "itens": nil,
		"valor_produtos": nil, "valor_desconto": nil, "valor_icms_desonerado": nil, "valor_st": nil, "valor_fcp_st": nil, "valor_frete": nil,
		"valor_seguro": nil, "valor_outras_despesas": nil, "valor_ii": nil, "valor_ipi": nil, "valor_ipi_devolvido": nil, "valor_servicos": nil,
		"valor_impostos": nil, "valor_total": nil, "valor_troco": nil, "transporte": nil, "pagamentos": nil, "referencias": nil,
		"pedido_compra": nil, "contrato": nil, "informacoes_adicionais": nil, "informacoes_fisco": nil, "informacoes_fiscais": nil,
		"ibs_cbs": nil, "rejeicao": nil, "findings": nil, "protocolo": nil, "data": nil, "chave_acesso": nil, "codigo": nil, "motivo": nil,
		"justificativa": nil, "numero_inicial": nil, "numero_final": nil,
	}
	// Members that no body has, unless the document says so.
	stuffing = []string{"tenant_id", "id", "role", "user_id", "created_by", "session_id", "password_hash", "version", "actor_id"}
)

func thisMonth(*loot) []string { return []string{time.Now().UTC().Format("2006-01")} }

// part is the beginning of a mark, which filters find the victim's rows by. It
// is not a mark itself: what an attacker sends may come back to it.
func part(v *loot) []string { return []string{v.mark[:12]} }

// checkDocument fails for what the walk does not know.
func (w *walk) checkDocument() {
	w.t.Helper()
	for _, op := range w.ops {
		for _, p := range op.params {
			known := p.In == "path" && p.Name == "id" && slices.Contains(knownPaths, op.collection()) ||
				p.In == "header" && slices.Contains(knownHeaders, p.Name)
			if p.In == "query" {
				_, known = queryAttacks[p.Name]
			}
			if !known {
				w.t.Errorf("%s: this test cannot attack the %s parameter %s", op.name, p.In, p.Name)
			}
		}
		if op.body == nil {
			continue
		}
		for name := range op.body.Properties {
			if _, known := bodyAttacks[name]; !known {
				w.t.Errorf("%s: this test cannot attack the member %s", op.name, name)
			}
		}
	}
}

// attack calls an operation with all that is the victim's.
func (w *walk) attack(op *operation, who *credentials) {
	w.t.Helper()
	w.attacker.signIn(who)
	own := w.own(op, *who)

	// Ids, with the headers that go along, at both paths.
	if op.collection() != "" {
		for i, id := range w.victim.ids {
			c := call{id: id, token: who.Access, alias: i%2 == 1, header: w.guards(op, i), body: w.body(op, who)}
			a := w.send(op, c)
			if a.StatusCode != 404 && (a.StatusCode != 403 || !w.mayRefuse(op, who)) {
				w.t.Errorf("%s by %s of %s: got %d, want 404: %s", op.name, who.username, id, a.StatusCode, a.body)
			}
		}
	}

	for _, q := range w.victim.cursors[op.name] {
		w.want(op, who, 400, w.send(op, call{id: own, query: q, token: who.Access}), "the cursor")
	}
	for _, p := range op.params {
		attack := ownAttacks[op.name+"."+p.Name]
		if attack == nil {
			attack = queryAttacks[p.Name]
		}
		if p.In != "query" || attack == nil {
			continue
		}
		for _, value := range attack(&w.victim) {
			w.want(op, who, 200, w.send(op, call{id: own, query: url.Values{p.Name: {value}}, token: who.Access}), p.Name+"="+value)
		}
	}

	if op.body != nil {
		for name := range op.body.Properties {
			w.attackMember(op, who, own, name)
		}
		for _, name := range stuffing {
			if op.body.Properties[name] == nil {
				a := w.send(op, call{id: own, body: op.with(map[string]any{name: w.stuff(name)}), token: who.Access})
				if w.want(op, who, 400, a, name) {
					a.problem(w.t, 400, "validation_failed", "/"+name)
				}
			}
		}
	}

	// Without anything of the victim's but the header. It may end the session.
	if op.collection() == "" || !op.changes() {
		for _, guard := range []bool{false, true} {
			c := call{id: own, token: who.Access, body: w.body(op, who)}
			if guard {
				c.header = []string{"X-Tenant-Id", w.victim.tenant}
			}
			a := w.send(op, c)
			refused := !w.holds(op, who) || op.name == "createInvitation" && who == &w.operator // nobody is invited to the platform
			if refused != (a.StatusCode == 403) && !op.public || a.StatusCode == 401 && !op.public || a.StatusCode >= 500 {
				w.t.Errorf("%s by %s: got %d: %s", op.name, who.username, a.StatusCode, a.body)
			}
			if op.changes() {
				w.attacker.signIn(who)
			}
		}
	}
}

// attackMember sends the example with something of the victim's in a member.
func (w *walk) attackMember(op *operation, who *credentials, own, name string) {
	w.t.Helper()
	attack := bodyAttacks[name]
	if attack == nil {
		return
	}
	for _, value := range attack(w) {
		changes := map[string]any{name: value}
		status := 404
		switch {
		case op.name == "signup":
			status = 403
			switch name {
			case "tenant_id": // the attacker's invitation into the victim's tenant
				changes["invite_token"] = w.attacker.invitation
			default:
				changes["tenant_id"] = w.attacker.tenant
			}
		case op.name == "login":
			status = 401
			changes["username_or_email"], changes["password"] = who.username, testPassword
		case op.name == "refreshTokens":
			status = 401
		case op.name == "updateNfe" && who == &w.operator: // whose tenant has none
			changes["version"] = 999
		case name == "emitter_id", name == "recipient_id":
			status = 400
		case op.name == "validateNfe": // stores nothing
			status = 200
		case op.name == "createNfe": // gives ids, and the caller's tenant
			status = 201
		case op.name == "updateNfe":
			changes["version"] = 999 // what is there is to stay
			status = 409
		}
		a := w.send(op, call{id: own, body: op.with(changes), token: who.Access})
		w.want(op, who, status, a, fmt.Sprintf("%s=%v", name, value))
	}
}

// relabelled are refresh tokens that were made fit for another tenant.
func (w *walk) relabelled() []any {
	_, own, _ := strings.Cut(w.attacker.member.Refresh, ".")
	tokens := []any{w.victim.tenant + "." + own}
	for _, victims := range []string{w.victim.member.Refresh, w.victim.admin.Refresh, w.victim.spent} {
		_, stolen, _ := strings.Cut(victims, ".")
		tokens = append(tokens, w.attacker.tenant+"."+stolen, token.PlatformTenant+"."+stolen)
	}
	return tokens
}

func (w *walk) stuff(name string) any {
	switch name {
	case "tenant_id":
		return w.victim.tenant
	case "role":
		return "operator"
	case "version":
		return 1
	default:
		return w.victim.admin.id
	}
}

// body is an example that fits the caller: all users of the platform are
// operators.
func (w *walk) body(op *operation, who *credentials) map[string]any {
	if role := op.member("role"); who == &w.operator && role != nil && slices.Contains(role.Enum, any("operator")) {
		return op.with(map[string]any{"role": "operator"})
	}
	return op.example
}

// guards are the headers that go with the i-th id.
func (w *walk) guards(op *operation, i int) []string {
	var header []string
	if i%3 == 1 {
		header = append(header, "X-Tenant-Id", w.victim.tenant)
	}
	if op.param("header", "If-Match") != nil && i%3 > 0 {
		header = append(header, "If-Match", []string{"*", `"1"`}[i%2])
	}
	return header
}

// own is an id of the attacker's for an operation's path.
func (w *walk) own(op *operation, who credentials) string {
	w.t.Helper()
	if op.collection() == "tenants" && who.tenant == token.PlatformTenant {
		return token.PlatformTenant
	}
	return w.attacker.ownID(w.t, op, who)
}

// holds reports whether a caller has the role that an operation asks for.
func (w *walk) holds(op *operation, who *credentials) bool {
	return w.s.claims(who.Access).Role.Satisfies(token.Role(op.role))
}

// mayRefuse reports whether an operation may answer 403 whatever it is asked
// for: to those without its role, and where members have their own record only.
func (w *walk) mayRefuse(op *operation, who *credentials) bool {
	return !w.holds(op, who) || op.collection() == "users" && who == &w.attacker.member
}

// want fails the test unless an answer has a status; 403 goes before all others
// where the role lacks.
func (w *walk) want(op *operation, who *credentials, status int, a answer, what string) bool {
	w.t.Helper()
	if !op.public && !w.holds(op, who) {
		status = 403
	}
	if a.StatusCode != status {
		w.t.Errorf("%s by %s with %s: got %d, want %d: %s", op.name, who.username, what, a.StatusCode, status, a.body)
	}
	return a.StatusCode == status && status != 403
}

// send makes a request and looks for the victim's things in the answer.
func (w *walk) send(op *operation, c call) answer {
	w.t.Helper()
	w.calls++
	a, path := op.send(w.s, c)
	var header strings.Builder
	_ = a.Header.Write(&header)
	if got := w.victim.shows(header.String()+string(a.body), path, c.id); got != "" && (c.token != w.operator.Access || !strings.Contains(w.told, got)) {
		w.t.Errorf("%s with id %q and query %v shows %q of the victim: %s\n%s", op.name, c.id, c.query, got, header.String(), a.body)
	}
	return a
}
