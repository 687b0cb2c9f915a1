-- name: LockLogins :exec
-- LockLogins makes sign-ins under one identifier take turns, so that none is
-- decided by counters that another one is about to change.
select pg_advisory_xact_lock(hashtextextended('gatehouse.login:' || @scope::text, 0));

-- name: ListLoginFailures :many
-- ListLoginFailures leaves out what was counted in a window of time that is
-- over. Each counter is looked up by itself: of a list of keys the planner may
-- think that to go through all of the tenant's is as good.
select f.key, f.failures,
       (extract(epoch from f.since - now()) + @window_seconds::float8)::float8 as seconds_left
from unnest(@keys::bytea[]) as wanted (key)
cross join lateral (
    select c.key, c.failures, c.since from tenant.login_failures c
    where c.tenant_id = @tenant_id and c.key = wanted.key
      and c.since > now() - make_interval(secs => @window_seconds::float8)
    limit 1) f;

-- name: CountLoginFailures :many
-- CountLoginFailures adds one to each counter, from the beginning when its
-- window of time is over.
insert into tenant.login_failures as f (tenant_id, key, failures, since)
select @tenant_id, k, 1, now() from unnest(@keys::bytea[]) as k
on conflict (tenant_id, key) do update
set failures = case when f.since > now() - make_interval(secs => @window_seconds::float8) then f.failures + 1 else 1 end,
    since = case when f.since > now() - make_interval(secs => @window_seconds::float8) then f.since else now() end
returning key, failures;

-- name: ForgetLoginFailures :exec
delete from tenant.login_failures where tenant_id = @tenant_id and key = @key;

-- name: CreateLoginEvent :exec
insert into tenant.login_events (tenant_id, id, user_id, outcome, ip, user_agent)
values (@tenant_id, @id, @user_id, @outcome, @ip, @user_agent);

-- name: GetUserForLogin :one
-- GetUserForLogin keeps the user as it is until the session is committed; what
-- changes it then, such as a deactivation, finds that session.
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users where tenant_id = @tenant_id and id = @id for share;

-- name: ChangePassword :exec
update tenant.users set password_hash = @password_hash, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id;

-- name: LockInvitation :one
-- LockInvitation finds an invitation that can still be used. Of two sign-ups
-- with one invitation the second waits here and then finds none.
select id, role, email_key from tenant.invitations
where tenant_id = @tenant_id and hash = @hash and used_at is null and expires_at > now()
for update;

-- name: UseInvitation :exec
update tenant.invitations set used_at = now(), used_by = @used_by
where tenant_id = @tenant_id and id = @id;
