-- What housekeeping finds rows by that nobody needs any more, oldest first.

-- +goose Up
create index sessions_expires on tenant.sessions (tenant_id, expires_at);
create index refresh_tokens_expires on tenant.refresh_tokens (tenant_id, expires_at);
create index idempotency_keys_expires on tenant.idempotency_keys (tenant_id, expires_at);
create index login_events_created on tenant.login_events (tenant_id, created_at);
create index invitations_expires on tenant.invitations (tenant_id, expires_at);

-- +goose Down
drop index tenant.sessions_expires, tenant.refresh_tokens_expires, tenant.idempotency_keys_expires,
    tenant.login_events_created, tenant.invitations_expires;
