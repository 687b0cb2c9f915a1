-- name: CreateSession :exec
insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, expires_at)
values (@tenant_id, @id, @user_id, @ip, @user_agent, @expires_at);

-- name: CreateRefreshToken :exec
insert into tenant.refresh_tokens (tenant_id, hash, session_id, expires_at)
values (@tenant_id, @hash, @session_id, @expires_at);

-- name: CreateLoginEvent :exec
insert into tenant.login_events (tenant_id, id, user_id, outcome, ip, user_agent)
values (@tenant_id, @id, @user_id, @outcome, @ip, @user_agent);

-- name: LockSessionOfRefreshToken :one
-- LockSessionOfRefreshToken finds the session that a refresh token belongs to
-- and locks it, so that refreshes of one session happen one after the other.
select s.id as session_id, s.expires_at as session_expires_at, s.revoked_at,
       t.expires_at as token_expires_at,
       u.id as user_id, u.username, u.role, u.active
from tenant.refresh_tokens t
join tenant.sessions s on s.tenant_id = t.tenant_id and s.id = t.session_id
join tenant.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
where t.tenant_id = @tenant_id and t.hash = @hash
for update of s;

-- name: SpendRefreshToken :execrows
-- SpendRefreshToken changes no row when the token was spent before.
update tenant.refresh_tokens set spent_at = now()
where tenant_id = @tenant_id and hash = @hash and spent_at is null;

-- name: TouchSession :exec
update tenant.sessions set last_refresh_at = now()
where tenant_id = @tenant_id and id = @id;

-- name: RevokeSession :execrows
update tenant.sessions set revoked_at = now(), revoked_reason = @reason::text
where tenant_id = @tenant_id and id = @id and revoked_at is null;

-- name: RevokeOtherSessions :execrows
update tenant.sessions set revoked_at = now(), revoked_reason = @reason::text
where tenant_id = @tenant_id and user_id = @user_id and id <> @keep_id and revoked_at is null;
