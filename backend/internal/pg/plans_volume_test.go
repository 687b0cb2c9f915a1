//go:build plans

package pg_test

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
)

// The tenants whose queries are explained: one with most of the rows, one with a
// tenth of them, and one of the many that are small.
const (
	giant = "t-000"
	large = "t-001"
	small = "t-100"
)

// volume fills a database with 1,000 tenants, a million contacts, 20,000 users,
// 100,000 sessions, 300,000 refresh tokens, 200,000 sign-ins and 200,000 invoices,
// most of them in the giant tenant, and lets PostgreSQL look at what it got.
func volume(t *testing.T, db *dbtest.Database) {
	t.Helper()
	conn := dbtest.Connect(t, db.AdminURL)
	for _, sql := range []string{
		// The size of a tenant falls with its rank.
		`create temp table sizes as
			select 't-' || to_char(i, 'FM000') as tenant_id, i,
			       case i when 0 then 600000 when 1 then 100000 else 46300 / i end as contacts
			from generate_series(0, 999) i`,
		`create function pg_temp.id(n bigint) returns uuid language sql immutable as $$
			select (lpad(to_hex(1700000000000 + n * 20), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid $$`,
		`insert into control.tenants (id, name, name_key, placement, plan, status, created_at)
			select tenant_id, 'Tenant ' || i, 'tenant ' || i, case when i % 20 = 19 then 'dedicated' else 'shared' end,
			       (array['free', 'standard', 'premium'])[1 + i % 3], case when i % 50 = 49 then 'suspended' else 'active' end,
			       now() - i * interval '1 hour' from sizes`,
		`insert into control.placements (tenant_id, database_key, sealed_owner_url, sealed_url)
			select tenant_id, sha256(convert_to(tenant_id, 'UTF8')), 'x', 'x' from sizes where i % 20 = 19`,
		`insert into control.limit_overrides (tenant_id, policy, requests, period_seconds, burst, shadow, owner, reason)
			select tenant_id, policy, 10, 60, 10, false, 'o', 'r' from sizes, unnest(array['tenant', 'user', 'read']) policy where i % 5 = 0`,
		`insert into app.residents (tenant_id) select tenant_id from sizes`,
		`insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role, active, created_at)
			select tenant_id, pg_temp.id(i * 1000000 + n), 'user' || n, 'user' || n, 'user' || n || '@example.com', 'user' || n || '@example.com',
			       repeat('x', 90), case when n < 2 then 'admin' else 'member' end, n % 20 <> 19, now() - n * interval '1 hour'
			from sizes, generate_series(0, 1 + contacts / 50) n`,
		// One user of the giant tenant signs in all the time; of all sessions four
		// in five have ended, a few of them longer ago than they are kept.
		`insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, created_at, last_refresh_at, expires_at, revoked_at, revoked_reason)
			select tenant_id, pg_temp.id(row_number() over ()), id, '192.0.2.1', 'Browser/1.0 (of some kind)', made, made + interval '1 hour', made + interval '90 days',
			       case when n % 5 <> 0 then made + interval '2 hours' end, case when n % 5 <> 0 then 'logout' end
			from (select u.tenant_id, u.id, n, now() - interval '1 minute' * (n * 7000 % 44000) as made from tenant.users u,
			      lateral generate_series(1, case when u.tenant_id = 't-000' and u.username = 'user7' then 2000 else 5 end) n
			      where u.tenant_id <> 'platform') s order by made`,
		`insert into tenant.refresh_tokens (tenant_id, hash, session_id, created_at, expires_at, spent_at, successor)
			select tenant_id, sha256(convert_to(id::text || n, 'UTF8')), id, created_at, created_at + interval '30 days 2 hours',
			       case when n < 3 then created_at + interval '1 hour' end, case when n < 3 then sha256(convert_to(id::text || n + 1, 'UTF8')) end
			from tenant.sessions, generate_series(1, 3) n`,
		`insert into tenant.login_events (tenant_id, id, user_id, outcome, ip, user_agent, created_at)
			select tenant_id, pg_temp.id(row_number() over ()), case when n % 10 < 8 then id end, case when n % 10 < 8 then 'ok' else 'unknown_user' end,
			       '192.0.2.1', 'Browser/1.0 (of some kind)', now() - interval '1 hour' * (n * 431 % 4330) as created_at
			from tenant.users, generate_series(1, 10) n where tenant_id <> 'platform' order by created_at`,
		`insert into tenant.login_failures (tenant_id, key, failures, since)
			select tenant_id, sha256(convert_to(id::text, 'UTF8')), 1, now() - interval '1 minute' * (row_number() over () % 1450)
			from tenant.users where tenant_id <> 'platform'`,
		`insert into tenant.idempotency_keys (tenant_id, user_id, route, key, request_hash, status, location, etag, body, created_at, expires_at)
			select tenant_id, id, 'POST /api/v1/address-book', 'key-' || n, sha256(''), 201, '', '', convert_to(repeat('x', 300), 'UTF8'), at, at + interval '24 hours'
			from (select u.tenant_id, u.id, n, now() - interval '1 minute' * (row_number() over () % 1450) as at
			      from tenant.users u, generate_series(1, 2) n where tenant_id <> 'platform') k`,
		`insert into tenant.invitations (tenant_id, id, hash, role, created_by, created_at, expires_at)
			select tenant_id, pg_temp.id(row_number() over ()), sha256(convert_to(id::text, 'UTF8')), 'member', id, created_at, created_at + interval '60 days'
			from tenant.users where tenant_id <> 'platform' and username like '%7'`,
		`insert into tenant.audit (tenant_id, id, action, actor_id, actor, target, ip, request_id, created_at)
			select tenant_id, pg_temp.id(row_number() over ()), (array['user.create', 'session.end', 'login.backoff'])[1 + n % 3], id, username, id::text, '192.0.2.1', 'r',
			       now() - interval '1 minute' * (n * 977 + row_number() over () % 1000) as created_at
			from tenant.users, generate_series(1, 5) n where tenant_id <> 'platform' order by created_at`,
		`insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key, created_at)
			select tenant_id, pg_temp.id(i * 1000000 + n), name, lower(name), lower(name), n % 2 = 0, n * 7 % 90, 'Rua das Flores ' || n, '+55 11 9' || to_char(n, 'FM0000000'),
			       email, email, now() - interval '1 minute' * (contacts - n) as created_at
			from (select tenant_id, i, contacts, n, 'Contact ' || substr(md5(n::text), 1, 6) as name, 'c' || n || '@example.com' as email
			      from sizes, generate_series(1, contacts) n) c order by created_at`,
		// Of invoices one in ten is a draft; one in five has lines and all that goes
		// with them.
		`insert into tenant.nfe_emitters (tenant_id, id, search_key, cnpj, razao_social, created_at)
			select tenant_id, pg_temp.id(i * 1000 + n), 'issuer ' || n, to_char(i * 1000 + n, 'FM00000000000000'), 'Issuer ' || n, now() - n * interval '1 hour'
			from sizes, generate_series(0, contacts / 20000 + 1) n`,
		`insert into tenant.nfe_recipients (tenant_id, id, search_key, tipo_pessoa, cnpj, cpf, id_estrangeiro, razao_social, created_at)
			select tenant_id, pg_temp.id(i * 1000000 + n), 'customer ' || n, (array['J', 'F', 'E'])[1 + n % 3], case n % 3 when 0 then to_char(n, 'FM00000000000000') else '' end,
			       case n % 3 when 1 then to_char(n, 'FM00000000000') else '' end, case n % 3 when 2 then 'P' || n else '' end, 'Customer ' || n, now() - n * interval '1 minute'
			from sizes, generate_series(0, contacts / 20) n`,
		`insert into tenant.nfe_products (tenant_id, id, search_key, codigo, descricao, created_at)
			select tenant_id, pg_temp.id(i * 1000000 + n), 'product ' || n, 'P-' || n, 'Product ' || n, now() - n * interval '1 minute' from sizes, generate_series(0, contacts / 50) n`,
		`insert into tenant.nfe_documents (tenant_id, id, status, emitter_id, recipient_id, modelo, ambiente, serie, numero, codigo_numerico, nfe_id, tipo_emissao,
			data_emissao, data_emissao_offset, valor_total, total_cents, issued_at, created_at, updated_at)
			select tenant_id, pg_temp.id(i * 1000000 + n), case when n % 10 = 0 then 'draft' else 'authorized' end, pg_temp.id(i * 1000 + n % issuers),
			       case when n % 2 = 0 then pg_temp.id(i * 1000000 + n / 10) end, '55', '2', '1', number, case when number is not null then '48219375' end,
			       case when number is not null then to_char(i * 1000000 + n, 'FM00000000000000000000000000000000000000000000') end, '1', at, -180, n % 10000, 100 * (n % 10000),
			       case when number is not null then at end, at, at
			from (select tenant_id, i, n, issuers, now() - interval '1 minute' * (contacts - n) as at, case when n % 10 <> 0 then n / issuers + 1 end as number
			      from (select *, contacts / 20000 + 1 as issuers from sizes) s, generate_series(0, contacts / 5) n) d order by at`,
		`insert into tenant.nfe_items (tenant_id, document_id, numero_item, product_id, codigo)
			select d.tenant_id, d.id, n, p.id, 'P' from tenant.nfe_documents d, generate_series(1, 3) n,
			       lateral (select id from tenant.nfe_products p where p.tenant_id = d.tenant_id limit 1) p where d.total_cents % 500 = 100`,
		`insert into tenant.nfe_icms (tenant_id, document_id, numero_item) select tenant_id, document_id, numero_item from tenant.nfe_items`,
		`insert into tenant.nfe_ipi (tenant_id, document_id, numero_item) select tenant_id, document_id, numero_item from tenant.nfe_items`,
		`insert into tenant.nfe_pis (tenant_id, document_id, numero_item) select tenant_id, document_id, numero_item from tenant.nfe_items`,
		`insert into tenant.nfe_cofins (tenant_id, document_id, numero_item) select tenant_id, document_id, numero_item from tenant.nfe_items`,
		`insert into tenant.nfe_transport (tenant_id, document_id) select distinct tenant_id, document_id from tenant.nfe_items`,
		`insert into tenant.nfe_transport_volumes (tenant_id, document_id, sequence) select tenant_id, document_id, 1 from tenant.nfe_transport`,
		`insert into tenant.nfe_payments (tenant_id, document_id, sequence) select tenant_id, document_id, 1 from tenant.nfe_transport`,
		`insert into tenant.nfe_references (tenant_id, document_id, sequence) select tenant_id, document_id, 1 from tenant.nfe_transport`,
		`insert into tenant.nfe_fiscal_info (tenant_id, document_id, sequence, campo, texto) select tenant_id, document_id, 1, 'c', 't' from tenant.nfe_transport`,
		`insert into tenant.nfe_numbers (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao, last_number)
			select tenant_id, emitter_id, '2', '55', '1', '', max(numero) from tenant.nfe_documents where numero is not null group by 1, 2`,
		`insert into tenant.nfe_voided_ranges (tenant_id, emitter_id, ambiente, modelo, serie, tipo_emissao, numero_inicial, numero_final, id, justificativa)
			select tenant_id, emitter_id, '2', '55', '1', '', 1000000 + 10 * n, 1000000 + 10 * n + 4, pg_temp.id(1000000 + n), 'A range of numbers'
			from tenant.nfe_numbers, generate_series(1, 100) n`,
		`vacuum analyze`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
