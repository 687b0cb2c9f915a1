-- Suspending a tenant where its data is, so that it holds at once and for every
-- backend, and an identity of the database, which tells a copy of it from
-- another one.

-- +goose Up
alter table app.residents add column suspended_at timestamptz;
grant insert, update, delete on app.residents to gh_maint;

create table app.database (
    -- One row. A replica or a restored copy has the same id.
    id   uuid not null default gen_random_uuid(),
    single boolean not null default true unique check (single)
);
insert into app.database default values;
grant select on app.database to gh_app, gh_maint;

-- app.enter also raises GH004 when the tenant is suspended.
-- +goose StatementBegin
create or replace function app.enter(p_tenant text, p_write boolean) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    resident app.residents;
begin
    if p_write then
        perform pg_advisory_xact_lock_shared(hashtextextended('gatehouse.fence:' || p_tenant, 0));
    end if;
    select * into resident from app.residents where tenant_id = p_tenant;
    if not found then
        raise exception using errcode = 'GH001', message = 'tenant does not live in this database';
    end if;
    if resident.suspended_at is not null then
        raise exception using errcode = 'GH004', message = 'tenant is suspended';
    end if;
    if p_write and resident.fenced_at is not null then
        raise exception using errcode = 'GH002', message = 'tenant is being moved';
    end if;
    perform set_config('app.tenant_id', p_tenant, true);
end
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
create or replace function app.enter(p_tenant text, p_write boolean) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    fenced timestamptz;
begin
    if p_write then
        perform pg_advisory_xact_lock_shared(hashtextextended('gatehouse.fence:' || p_tenant, 0));
    end if;
    select fenced_at into fenced from app.residents where tenant_id = p_tenant;
    if not found then
        raise exception using errcode = 'GH001', message = 'tenant does not live in this database';
    end if;
    if p_write and fenced is not null then
        raise exception using errcode = 'GH002', message = 'tenant is being moved';
    end if;
    perform set_config('app.tenant_id', p_tenant, true);
end
$$;
-- +goose StatementEnd
revoke insert, update, delete on app.residents from gh_maint;
alter table app.residents drop column suspended_at;
drop table app.database;
