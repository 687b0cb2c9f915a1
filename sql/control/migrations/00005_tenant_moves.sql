-- Tenants on their way to another database, and how far each has come.

-- +goose Up
create table control.tenant_moves (
    tenant_id    text primary key references control.tenants,
    target       text not null check (target in ('shared', 'dedicated')),
    -- What is to be done next.
    step         text not null check (step in ('prepare', 'copy', 'follow', 'clean')),
    -- The dedicated database, as in control.placements: where the tenant goes, or
    -- where it came from once it has left.
    database_key     bytea check (length(database_key) = 32),
    sealed_owner_url bytea not null default '',
    sealed_url       bytea not null default '',
    started_at   timestamptz(3) not null default now(),
    constraint tenant_moves_database_unique unique (database_key)
);

-- +goose Down
drop table control.tenant_moves;
