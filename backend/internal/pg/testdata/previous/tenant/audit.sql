-- name: CreateAuditEntry :exec
-- CreateAuditEntry takes the details as encoded JSON. They travel as bytes:
-- without prepared statements that is how pgx sends a byte slice.
insert into tenant.audit (tenant_id, id, action, actor_id, actor, target, ip, request_id, details)
values (@tenant_id, @id, @action, @actor_id, @actor, @target, @ip, @request_id,
        convert_from(@details::bytea, 'UTF8')::jsonb);

-- name: ListAudit :many
select tenant_id, id, action, actor_id, actor, target, ip, request_id, details, created_at
from tenant.audit
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and created_at >= @created_gte::timestamptz and created_at < @created_lt::timestamptz
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action')::text)
  and (sqlc.narg('actor_id')::uuid is null or actor_id = sqlc.narg('actor_id')::uuid)
order by created_at, id
limit @row_limit;

-- name: ListAuditDesc :many
select tenant_id, id, action, actor_id, actor, target, ip, request_id, details, created_at
from tenant.audit
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and created_at >= @created_gte::timestamptz and created_at < @created_lt::timestamptz
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action')::text)
  and (sqlc.narg('actor_id')::uuid is null or actor_id = sqlc.narg('actor_id')::uuid)
order by created_at desc, id desc
limit @row_limit;

-- name: ListAuditOfAllTenants :many
-- ListAuditOfAllTenants is for the role for housekeeping, which sees the rows of
-- all tenants. The first condition holds for every row; the index of these two
-- queries begins with it, so that no list of one tenant goes by that index.
select tenant_id, id, action, actor_id, actor, target, ip, request_id, details, created_at
from tenant.audit
where length(tenant_id) > 0
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and created_at >= @created_gte::timestamptz and created_at < @created_lt::timestamptz
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action')::text)
  and (sqlc.narg('actor_id')::uuid is null or actor_id = sqlc.narg('actor_id')::uuid)
order by created_at, id
limit @row_limit;

-- name: ListAuditOfAllTenantsDesc :many
select tenant_id, id, action, actor_id, actor, target, ip, request_id, details, created_at
from tenant.audit
where length(tenant_id) > 0
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and created_at >= @created_gte::timestamptz and created_at < @created_lt::timestamptz
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action')::text)
  and (sqlc.narg('actor_id')::uuid is null or actor_id = sqlc.narg('actor_id')::uuid)
order by created_at desc, id desc
limit @row_limit;
