-- name: Enter :exec
-- Enter is sent in front of other queries, see package pg.
select app.enter(@tenant_id, @for_write),
       set_config('statement_timeout', @timeout_ms::text, true);

-- name: EnterSession :exec
-- EnterSession also requires a live session of the user.
select app.enter(@tenant_id, @for_write),
       app.require_session(@tenant_id, @session_id, @user_id),
       set_config('statement_timeout', @timeout_ms::text, true);

-- name: AdmitTenant :exec
insert into app.residents (tenant_id) values (@tenant_id) on conflict do nothing;
