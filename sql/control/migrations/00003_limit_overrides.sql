-- Limits that operators have agreed on with a tenant, for all of its users or for
-- one. They replace those of its plan at the edge.

-- +goose Up
create table control.limit_overrides (
    tenant_id      text not null references control.tenants,
    policy         text not null check (policy in ('tenant', 'user', 'read', 'write', 'export', 'admin')),
    -- Null: every user of the tenant. No foreign key: users may live in another
    -- database.
    user_id        uuid,
    requests       integer not null check (requests > 0),
    period_seconds integer not null check (period_seconds between 1 and 86400),
    burst          bigint not null check (burst > 0),
    -- Only counted, beside the one that is enforced.
    shadow         boolean not null,
    -- Who answers for it, and why it is there.
    owner          text not null check (length(owner) between 1 and 255),
    reason         text not null check (length(reason) between 1 and 1000),
    -- When the plan's limit applies again. Null: never.
    expires_at     timestamptz(3),
    created_at     timestamptz(3) not null default now(),
    constraint limit_overrides_unique unique nulls not distinct (tenant_id, policy, user_id, shadow),
    check (policy <> 'tenant' or user_id is null)
);
grant select, insert, delete on control.limit_overrides to gh_maint;

-- +goose Down
drop table control.limit_overrides;
