-- What `backend tenant move` does, as gh_owner. The functions are in
-- migrations/00013_moves.sql.

-- name: ListTenantTables :many
-- ListTenantTables lists the tables of the tenant plane, those that others point at
-- first.
select name::text from app.tenant_tables();

-- name: CaptureChanges :exec
select app.capture(@tenant_id::text, @table_name::text);

-- name: ReleaseChanges :exec
select app.release(@tenant_id::text, @table_name::text);

-- name: ExportRows :one
select app.export_rows(@tenant_id::text, @table_name::text, sqlc.narg('after')::json, @row_limit::integer)::json;

-- name: ImportRows :one
select app.import_rows(@tenant_id::text, @table_name::text, @rows::json)::bigint;

-- name: ListChangeIDs :many
-- ListChangeIDs lists the changes that are to be seen.
select id from app.changes where tenant_id = @tenant_id order by id;

-- name: ExportChanges :one
select app.export_changes(@tenant_id::text, @row_limit::integer)::json;

-- name: ApplyChanges :exec
select app.apply_changes(@tenant_id::text, @changes::json);

-- name: ForgetChanges :exec
delete from app.changes where tenant_id = @tenant_id and id = any(@ids::bigint[]);

-- name: ForgetAllChanges :exec
delete from app.changes where tenant_id = @tenant_id;

-- name: ForgetAppliedChanges :exec
delete from app.applied_changes where tenant_id = @tenant_id;

-- name: HasChanges :one
-- HasChanges tells whether anything was written that the copy has not got. It is
-- asked when no writer is at work (see LockFence); then it is what a move relies on,
-- however long ago it set the fence.
select exists (select from app.changes where tenant_id = @tenant_id);

-- name: TouchedKeys :one
select app.touched_keys(@tenant_id::text, @table_name::text)::json;

-- name: Fingerprint :one
select app.fingerprint(@tenant_id::text, @table_name::text, sqlc.narg('keys')::json)::text;

-- name: WipeRows :one
select app.wipe_rows(@tenant_id::text, @table_name::text, @row_limit::integer)::bigint;

-- name: LockFence :exec
-- LockFence waits for the tenant's writers and holds up others until the
-- transaction ends.
select pg_advisory_xact_lock(hashtextextended('gatehouse.fence:' || @tenant_id::text, 0));

-- name: SetLockTimeout :exec
select set_config('lock_timeout', @timeout_ms::text, true);

-- name: FenceResident :exec
update app.residents set fenced_at = now() where tenant_id = @tenant_id;

-- name: CloseResident :exec
update app.residents set closed_at = now() where tenant_id = @tenant_id;

-- name: OpenResident :exec
update app.residents set fenced_at = null, closed_at = null where tenant_id = @tenant_id;

-- name: AdmitClosed :exec
-- AdmitClosed makes the tenant a resident that nobody is let in to yet.
insert into app.residents (tenant_id, closed_at) values (@tenant_id, now())
on conflict (tenant_id) do update set closed_at = now(), fenced_at = null;
