-- Answers that are kept for requests with an Idempotency-Key, so that a repeat
-- gets the same answer and changes nothing.

-- +goose Up
create table tenant.idempotency_keys (
    tenant_id    text not null check (tenant_id <> ''),
    user_id      uuid not null,
    -- Method and path template of the operation.
    route        text not null,
    key          text not null check (length(key) between 1 and 255),
    -- HMAC-SHA-256 of path and raw body, which may hold a password.
    request_hash bytea not null check (length(request_hash) = 32),
    status       integer not null check (status between 200 and 499),
    location     text not null,
    etag         text not null,
    body         bytea not null,
    created_at   timestamptz(3) not null default now(),
    expires_at   timestamptz(3) not null,
    primary key (tenant_id, user_id, route, key),
    foreign key (tenant_id, user_id) references tenant.users on delete cascade
);
select app.protect('tenant.idempotency_keys');

-- +goose Down
drop table tenant.idempotency_keys;
