-- The control plane: which tenants there are and where they live. It exists in
-- the main database only and is reached by grant, not by row-level security.

-- +goose Up
create schema if not exists control;
revoke all on schema control from public;
grant usage on schema control to gh_app, gh_maint;
grant select on control.schema_version to gh_app, gh_maint;

create table control.tenants (
    id           text primary key check (id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,35}$'),
    -- Ids are ASCII, so lower() folds them the same everywhere.
    id_key       text not null generated always as (lower(id)) stored unique,
    name         text not null check (length(name) between 1 and 255),
    placement    text not null default 'shared' check (placement in ('shared', 'dedicated')),
    status       text not null default 'active' check (status in ('active', 'suspended', 'moving', 'deleted')),
    plan         text not null default 'standard' check (plan in ('free', 'standard', 'premium')),
    signup       text not null default 'closed' check (signup in ('closed', 'invite', 'open')),
    session_mode text not null default 'multi' check (session_mode in ('multi', 'single')),
    version      bigint not null default 1,
    created_at   timestamptz(3) not null default now(),
    updated_at   timestamptz(3) not null default now(),
    -- Operators live in this tenant; it can be neither moved nor closed.
    check (id <> 'platform' or (placement = 'shared' and status = 'active' and signup = 'closed'))
);

grant select on control.tenants to gh_app, gh_maint;

insert into control.tenants (id, name) values ('platform', 'Platform operators');

-- +goose Down
drop schema control cascade;
