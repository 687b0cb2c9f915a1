-- name: EndTenantSessions :execrows
-- EndTenantSessions ends every session of the tenant.
update tenant.sessions set revoked_at = now(), revoked_reason = @reason::text
where tenant_id = @tenant_id and revoked_at is null;

-- name: CountUsers :one
-- CountUsers counts a tenant's users, and those with a live session.
select count(*) as users,
       count(*) filter (where exists (
           select from tenant.sessions s
           where s.tenant_id = u.tenant_id and s.user_id = u.id and s.revoked_at is null and s.expires_at > now()
       )) as signed_in
from tenant.users u where u.tenant_id = @tenant_id;

-- name: CountUsersOfAllTenants :many
-- CountUsersOfAllTenants is for the role for housekeeping, which sees the rows
-- of all tenants.
select u.tenant_id, count(*) as users,
       count(*) filter (where exists (
           select from tenant.sessions s
           where s.tenant_id = u.tenant_id and s.user_id = u.id and s.revoked_at is null and s.expires_at > now()
       )) as signed_in
from tenant.users u group by u.tenant_id;
