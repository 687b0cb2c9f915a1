-- name: TryHousekeeping :one
-- TryHousekeeping is false while another transaction tidies this database.
select pg_try_advisory_xact_lock(hashtextextended('gatehouse.housekeeping', 0));

-- name: TryFence :one
-- TryFence holds the tenant's fence as a writer does, until the transaction ends.
-- It is false while a move has it. Whether writes are paused is asked afterwards:
-- this statement may see it as it was before.
select pg_try_advisory_xact_lock_shared(hashtextextended('gatehouse.fence:' || @tenant_id::text, 0));

-- name: IsFenced :one
select exists (select from app.residents where tenant_id = @tenant_id and fenced_at > now() - interval '10 seconds');

-- name: DeleteRefreshTokens :execrows
-- The statements from here on delete the oldest rows of a tenant that have been
-- of no use for so many seconds. Rows that somebody holds are left for another
-- time, and those that are deleted are locked first, so none of them can have
-- become of use since it was looked at. What is locked is found again by its place
-- alone: beside a condition on the tenant, the planner might go through all of the
-- tenant's rows.
--
-- DeleteRefreshTokens deletes those that have expired.
delete from tenant.refresh_tokens d
where d.ctid = any(array(
    select t.ctid from tenant.refresh_tokens t
    where t.tenant_id = @tenant_id and t.expires_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.expires_at limit @row_limit for update skip locked));

-- name: DeleteExpiredSessions :execrows
delete from tenant.sessions d
where d.ctid = any(array(
    select t.ctid from tenant.sessions t
    where t.tenant_id = @tenant_id and t.expires_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.expires_at limit @row_limit for update skip locked));

-- name: DeleteRevokedSessions :execrows
delete from tenant.sessions d
where d.ctid = any(array(
    select t.ctid from tenant.sessions t
    where t.tenant_id = @tenant_id and t.revoked_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.revoked_at limit @row_limit for update skip locked));

-- name: DeleteIdempotencyKeys :execrows
-- DeleteIdempotencyKeys deletes those that have expired.
delete from tenant.idempotency_keys d
where d.ctid = any(array(
    select t.ctid from tenant.idempotency_keys t
    where t.tenant_id = @tenant_id and t.expires_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.expires_at limit @row_limit for update skip locked));

-- name: DeleteLoginEvents :execrows
delete from tenant.login_events d
where d.ctid = any(array(
    select t.ctid from tenant.login_events t
    where t.tenant_id = @tenant_id and t.created_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.created_at limit @row_limit for update skip locked));

-- name: DeleteLoginFailures :execrows
-- DeleteLoginFailures deletes counters by the beginning of their window of time,
-- in any order: with an index by it, every sign-in would read all counters of a
-- quarter of an hour.
delete from tenant.login_failures d
where d.ctid = any(array(
    select t.ctid from tenant.login_failures t
    where t.tenant_id = @tenant_id and t.since <= now() - make_interval(secs => @kept_seconds::float8)
    limit @row_limit for update skip locked));

-- name: DeleteInvitations :execrows
-- DeleteInvitations deletes those that have expired, used or not.
delete from tenant.invitations d
where d.ctid = any(array(
    select t.ctid from tenant.invitations t
    where t.tenant_id = @tenant_id and t.expires_at <= now() - make_interval(secs => @kept_seconds::float8)
    order by t.expires_at limit @row_limit for update skip locked));
