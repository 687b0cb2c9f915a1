-- name: GetTenant :one
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants where id = @id;

-- name: LockTenant :one
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants where id = @id for update;

-- name: TenantLock :exec
-- TenantLock is held by the transaction that makes the tenant.
select pg_advisory_xact_lock(hashtextextended('gatehouse.tenant:' || @id::text, 0));

-- name: TryTenantLock :one
-- TryTenantLock is false while another transaction makes the tenant.
select pg_try_advisory_xact_lock(hashtextextended('gatehouse.tenant:' || @id::text, 0));

-- name: CreateTenant :execrows
-- CreateTenant makes a tenant for a command, unless it is there.
insert into control.tenants (id, name, name_key, signup)
values (@id, @name, @name_key, @signup)
on conflict do nothing;

-- name: AddTenant :one
insert into control.tenants (id, name, name_key, placement, plan, signup, session_mode)
values (@id, @name, @name_key, @placement, @plan, @signup, @session_mode)
returning id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key;

-- name: UpdateTenant :one
update control.tenants
set name = @name, name_key = @name_key, plan = @plan, signup = @signup, session_mode = @session_mode,
    version = version + 1, updated_at = now()
where id = @id
returning id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key;

-- name: SetTenantStatus :one
update control.tenants set status = @status, version = version + 1, updated_at = now()
where id = @id
returning id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key;

-- name: TouchTenant :one
-- TouchTenant gives the tenant another version, for a change of what belongs to
-- it.
update control.tenants set version = version + 1, updated_at = now()
where id = @id
returning id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key;

-- name: TrySeedLock :one
-- TrySeedLock is false while another transaction tells the edge of all tenants.
select pg_try_advisory_xact_lock(hashtextextended('gatehouse.seed', 0));

-- name: ListTenantStates :many
-- ListTenantStates lists what the edge knows of tenants, by id. Those that were
-- deleted longer ago than the window of time, in seconds, are left out.
select id, version, status, plan
from control.tenants
where id > @after_id::text
  and (status <> 'deleted' or updated_at > now() - make_interval(secs => @window_seconds::float8))
order by id
limit @row_limit;

-- name: ListTenantsByCreated :many
-- There is one list query for each sort order and direction, so that each is an
-- index range that starts at the cursor. A filter that is null does not filter.
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants
where (created_at, id) > (@after_created_at::timestamptz, @after_id::text)
  and (sqlc.narg('pattern')::text is null or name_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('status')::text is null or status = sqlc.narg('status')::text)
  and (sqlc.narg('plan')::text is null or plan = sqlc.narg('plan')::text)
  and (sqlc.narg('placement')::text is null or placement = sqlc.narg('placement')::text)
  and (sqlc.narg('created_gte')::timestamptz is null or created_at >= sqlc.narg('created_gte')::timestamptz)
  and (sqlc.narg('created_lt')::timestamptz is null or created_at < sqlc.narg('created_lt')::timestamptz)
order by created_at, id
limit @row_limit;

-- name: ListTenantsByCreatedDesc :many
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants
where (created_at, id) < (@after_created_at::timestamptz, @after_id::text)
  and (sqlc.narg('pattern')::text is null or name_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('status')::text is null or status = sqlc.narg('status')::text)
  and (sqlc.narg('plan')::text is null or plan = sqlc.narg('plan')::text)
  and (sqlc.narg('placement')::text is null or placement = sqlc.narg('placement')::text)
  and (sqlc.narg('created_gte')::timestamptz is null or created_at >= sqlc.narg('created_gte')::timestamptz)
  and (sqlc.narg('created_lt')::timestamptz is null or created_at < sqlc.narg('created_lt')::timestamptz)
order by created_at desc, id desc
limit @row_limit;

-- name: ListTenantsByName :many
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants
where (name_key, id) > (@after_name_key::text, @after_id::text)
  and (sqlc.narg('pattern')::text is null or name_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('status')::text is null or status = sqlc.narg('status')::text)
  and (sqlc.narg('plan')::text is null or plan = sqlc.narg('plan')::text)
  and (sqlc.narg('placement')::text is null or placement = sqlc.narg('placement')::text)
  and (sqlc.narg('created_gte')::timestamptz is null or created_at >= sqlc.narg('created_gte')::timestamptz)
  and (sqlc.narg('created_lt')::timestamptz is null or created_at < sqlc.narg('created_lt')::timestamptz)
order by name_key, id
limit @row_limit;

-- name: ListTenantsByNameDesc :many
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at, name_key
from control.tenants
where (name_key, id) < (@after_name_key::text, @after_id::text)
  and (sqlc.narg('pattern')::text is null or name_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('status')::text is null or status = sqlc.narg('status')::text)
  and (sqlc.narg('plan')::text is null or plan = sqlc.narg('plan')::text)
  and (sqlc.narg('placement')::text is null or placement = sqlc.narg('placement')::text)
  and (sqlc.narg('created_gte')::timestamptz is null or created_at >= sqlc.narg('created_gte')::timestamptz)
  and (sqlc.narg('created_lt')::timestamptz is null or created_at < sqlc.narg('created_lt')::timestamptz)
order by name_key desc, id desc
limit @row_limit;
