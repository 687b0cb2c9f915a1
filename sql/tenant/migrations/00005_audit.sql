-- The audit trail: who changed what in the tenant. The service role adds to it
-- and reads it; it can neither change nor remove what was written.

-- +goose Up
create table tenant.audit (
    tenant_id  text not null check (tenant_id <> ''),
    id         uuid not null,
    action     text not null check (length(action) between 1 and 50),
    -- No foreign key: the trail outlives the user. Null when nobody was signed
    -- in, or a command of the operator's did it.
    actor_id   uuid,
    actor      text check (length(actor) <= 50),
    target     text check (length(target) <= 100),
    ip         text not null check (length(ip) <= 45),
    request_id text not null check (length(request_id) <= 64),
    details    jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    created_at timestamptz(3) not null default now(),
    primary key (tenant_id, id)
);
-- For operators, who read over all tenants of a database. It comes first: among
-- indexes that seem to cost the same the planner takes the newest.
create index audit_created_everywhere on tenant.audit (created_at, id);
create index audit_created on tenant.audit (tenant_id, created_at, id);
select app.protect('tenant.audit');
revoke update, delete on tenant.audit from gh_app;

-- +goose Down
drop table tenant.audit;
