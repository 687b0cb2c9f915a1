-- name: ListOverrides :many
-- ListOverrides lists those of a tenant that have not expired.
select tenant_id, policy, user_id, requests, period_seconds, burst, shadow, owner, reason, expires_at, created_at
from control.limit_overrides
where tenant_id = @tenant_id and (expires_at is null or expires_at > now())
order by policy, user_id nulls first, shadow;

-- name: ListOverridesBetween :many
-- ListOverridesBetween lists those of a range of tenants that have not expired.
select tenant_id, policy, user_id, requests, period_seconds, burst, shadow, owner, reason, expires_at, created_at
from control.limit_overrides
where tenant_id > @after_id::text and tenant_id <= @last_id::text and (expires_at is null or expires_at > now())
order by tenant_id, policy, user_id nulls first, shadow;

-- name: DeleteOverrides :exec
-- DeleteOverrides removes those that have expired, too.
delete from control.limit_overrides where tenant_id = @tenant_id;

-- name: AddOverride :exec
insert into control.limit_overrides (tenant_id, policy, user_id, requests, period_seconds, burst, shadow, owner, reason, expires_at)
values (@tenant_id, @policy, @user_id, @requests, @period_seconds, @burst, @shadow, @owner, @reason, @expires_at);
