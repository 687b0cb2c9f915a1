-- Where dedicated tenants live, and what operators may change. Only the role
-- for housekeeping changes the control plane: a fault in what serves tenants
-- can make no tenant and move none.

-- +goose Up
-- Folded name for finding and sorting, computed by the program.
alter table control.tenants add column name_key text collate "C" not null default '';
update control.tenants set name_key = lower(name);
create index tenants_created on control.tenants (created_at, id);
create index tenants_name on control.tenants (name_key, id);
grant insert, update on control.tenants to gh_maint;

create table control.placements (
    tenant_id    text primary key references control.tenants,
    -- Keyed hash of host, port and database name: no two tenants share one.
    database_key bytea not null check (length(database_key) = 32),
    -- Connection strings under AES-256-GCM: the one given, which owns the
    -- database, and the one of the login made in it for serving.
    sealed_owner_url bytea not null,
    sealed_url       bytea not null,
    created_at   timestamptz(3) not null default now(),
    updated_at   timestamptz(3) not null default now(),
    constraint placements_database_unique unique (database_key)
);
grant select (tenant_id, sealed_url) on control.placements to gh_app;
grant select, insert, update, delete on control.placements to gh_maint;

-- +goose Down
drop table control.placements;
revoke insert, update on control.tenants from gh_maint;
alter table control.tenants drop column name_key;
