-- name: CreateSession :exec
insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, expires_at)
values (@tenant_id, @id, @user_id, @ip, @user_agent, @expires_at);

-- name: ListSessionsByCreated :many
-- ListSessionsByCreated lists the live sessions of a user.
select tenant_id, id, user_id, ip, user_agent, created_at, last_refresh_at, expires_at,
       revoked_at, revoked_reason, refreshes, refreshes_since
from tenant.sessions
where tenant_id = @tenant_id and user_id = @user_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and revoked_at is null and expires_at > now()
order by created_at, id
limit @row_limit;

-- name: ListSessionsByCreatedDesc :many
select tenant_id, id, user_id, ip, user_agent, created_at, last_refresh_at, expires_at,
       revoked_at, revoked_reason, refreshes, refreshes_since
from tenant.sessions
where tenant_id = @tenant_id and user_id = @user_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and revoked_at is null and expires_at > now()
order by created_at desc, id desc
limit @row_limit;

-- name: RevokeSession :one
-- RevokeSession finds no row unless the session is the user's and live. An access
-- token of a session may still be valid if the last of them was given within the
-- window of time, in seconds.
update tenant.sessions set revoked_at = now(), revoked_reason = @reason::text
where tenant_id = @tenant_id and id = @id and user_id = @user_id
  and revoked_at is null and expires_at > now()
returning id, (last_refresh_at > now() - make_interval(secs => @window_seconds::float8))::boolean as token_live;

-- name: RevokeOtherSessions :many
-- RevokeOtherSessions ends the live sessions of a user but one; the nil UUID
-- keeps none. It lists them as RevokeSession does.
update tenant.sessions set revoked_at = now(), revoked_reason = @reason::text
where tenant_id = @tenant_id and user_id = @user_id and id <> @keep_id
  and revoked_at is null and expires_at > now()
returning id, (last_refresh_at > now() - make_interval(secs => @window_seconds::float8))::boolean as token_live;

-- name: ListRevokedSessions :many
-- ListRevokedSessions lists the sessions of a tenant that have ended within the
-- window of time, in seconds, and an access token of which may still be valid.
select s.id, s.revoked_at::timestamptz as revoked_at from tenant.sessions s
where s.tenant_id = @tenant_id
  and s.revoked_at > now() - make_interval(secs => @window_seconds::float8)
  and s.last_refresh_at > now() - make_interval(secs => @window_seconds::float8)
  and (s.revoked_at, s.id) > (@after_revoked_at::timestamptz, @after_id::uuid)
order by s.revoked_at, s.id
limit @row_limit;

-- name: ListRevokedSessionsOfAllTenants :many
-- ListRevokedSessionsOfAllTenants is for the role for housekeeping, which sees
-- the rows of all tenants. The first condition holds for every row; the index of
-- this query begins with it, so that no query of one tenant goes by that index.
select s.id, s.revoked_at::timestamptz as revoked_at from tenant.sessions s
where length(s.tenant_id) > 0
  and s.revoked_at > now() - make_interval(secs => @window_seconds::float8)
  and s.last_refresh_at > now() - make_interval(secs => @window_seconds::float8)
  and (s.revoked_at, s.id) > (@after_revoked_at::timestamptz, @after_id::uuid)
order by s.revoked_at, s.id
limit @row_limit;

-- name: CreateRefreshToken :exec
insert into tenant.refresh_tokens (tenant_id, hash, session_id, expires_at)
values (@tenant_id, @hash, @session_id, @expires_at);

-- name: LockSessionOfRefreshToken :one
-- LockSessionOfRefreshToken locks the session that a refresh token belongs to,
-- so that refreshes of one session happen one after the other. What they decide
-- by is read afterwards: this statement may see it as it was before it waited.
select s.id from tenant.refresh_tokens t
join tenant.sessions s on s.tenant_id = t.tenant_id and s.id = t.session_id
where t.tenant_id = @tenant_id and t.hash = @hash
for update of s;

-- name: GetRefreshState :one
-- GetRefreshState is what a refresh depends on. Refreshes are those in the
-- session's window of time, whose length is given in seconds.
select u.id as user_id, u.username, u.role,
       (u.active and s.revoked_at is null and s.expires_at > now() and t.expires_at > now())::boolean as live,
       (case when s.refreshes_since > now() - make_interval(secs => @window_seconds::float8)
             then s.refreshes else 0 end)::integer as refreshes,
       (extract(epoch from s.refreshes_since - now()) + @window_seconds::float8)::float8 as window_seconds_left,
       (t.spent_at is not null)::boolean as spent,
       coalesce(extract(epoch from now() - t.spent_at), 0)::float8 as spent_seconds_ago,
       t.spent_ip, t.spent_user_agent,
       next.hash as successor,
       (next.hash is not null and next.spent_at is null)::boolean as successor_unspent
from tenant.refresh_tokens t
join tenant.sessions s on s.tenant_id = t.tenant_id and s.id = t.session_id
join tenant.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
left join tenant.refresh_tokens next on next.tenant_id = t.tenant_id and next.hash = t.successor
where t.tenant_id = @tenant_id and t.hash = @hash;

-- name: SpendRefreshToken :exec
-- SpendRefreshToken keeps who spent a token and what for. Without these it
-- makes a token void.
update tenant.refresh_tokens
set spent_at = now(), spent_ip = @spent_ip, spent_user_agent = @spent_user_agent, successor = @successor
where tenant_id = @tenant_id and hash = @hash;

-- name: ReplaceSuccessor :exec
update tenant.refresh_tokens set successor = @successor
where tenant_id = @tenant_id and hash = @hash;

-- name: CountRefresh :exec
-- CountRefresh starts a new window of time when the last one is over.
update tenant.sessions
set last_refresh_at = now(),
    refreshes = case when refreshes > 0 and refreshes_since > now() - make_interval(secs => @window_seconds::float8)
                     then refreshes + 1 else 1 end,
    refreshes_since = case when refreshes > 0 and refreshes_since > now() - make_interval(secs => @window_seconds::float8)
                           then refreshes_since else now() end
where tenant_id = @tenant_id and id = @id;
