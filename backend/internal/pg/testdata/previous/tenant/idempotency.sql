-- name: TryIdempotencyLock :one
-- TryIdempotencyLock is false while another transaction works on the same key.
select pg_try_advisory_xact_lock(hashtextextended('gatehouse.idempotency:' || @scope::text, 0));

-- name: GetIdempotencyKey :one
select tenant_id, user_id, route, key, request_hash, status, location, etag, body, created_at, expires_at
from tenant.idempotency_keys
where tenant_id = @tenant_id and user_id = @user_id and route = @route and key = @key and expires_at > now();

-- name: PutIdempotencyKey :exec
-- PutIdempotencyKey keeps an answer; one that has expired makes room.
insert into tenant.idempotency_keys (tenant_id, user_id, route, key, request_hash, status, location, etag, body, expires_at)
values (@tenant_id, @user_id, @route, @key, @request_hash, @status, @location, @etag, @body, @expires_at)
on conflict (tenant_id, user_id, route, key) do update
set request_hash = excluded.request_hash, status = excluded.status, location = excluded.location, etag = excluded.etag,
    body = excluded.body, created_at = now(), expires_at = excluded.expires_at;
