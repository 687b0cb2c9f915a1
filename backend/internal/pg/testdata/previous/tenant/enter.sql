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

-- name: ExpelTenant :exec
delete from app.residents where tenant_id = @tenant_id;

-- name: ListResidents :many
select tenant_id from app.residents order by tenant_id;

-- name: SuspendResident :exec
update app.residents set suspended_at = coalesce(suspended_at, now()) where tenant_id = @tenant_id;

-- name: ResumeResident :exec
update app.residents set suspended_at = null where tenant_id = @tenant_id;

-- name: DatabaseID :one
select id from app.database;
