-- How a statement enters a tenant. Every batch and transaction of the service
-- role starts with app.enter, in the same round trip as its first query.

-- +goose Up
create schema if not exists app;
create schema if not exists tenant;
revoke all on schema app, tenant from public;
grant usage on schema app, tenant to gh_app, gh_maint;
grant select on app.schema_version to gh_app, gh_maint;

-- The tenants whose data is in this database. A cached placement only routes;
-- this table decides.
create table app.residents (
    tenant_id text primary key check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,35}$'),
    -- Set while a move pauses writes.
    fenced_at timestamptz
);
grant select on app.residents to gh_maint;

-- app.enter makes the rest of the transaction see one tenant's rows. It raises
-- GH001 when the tenant does not live here and GH002 when its writes are
-- paused. A writer holds the tenant's fence shared until it commits; a move
-- takes it exclusively.
-- +goose StatementBegin
create function app.enter(p_tenant text, p_write boolean) returns void
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
revoke all on function app.enter(text, boolean) from public;
grant execute on function app.enter(text, boolean) to gh_app, gh_maint;

-- app.protect puts a table of the tenant plane behind row-level security: the
-- service role sees the entered tenant only, the owner and housekeeping see
-- all. The setting is null or empty outside a tenant, and no tenant's id is
-- empty, so nothing matches then.
-- +goose StatementBegin
create function app.protect(p_table regclass) returns void
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('alter table %s force row level security', p_table);
    execute format(
        'create policy tenant on %s to gh_app
             using (tenant_id = current_setting(''app.tenant_id'', true))
             with check (tenant_id = current_setting(''app.tenant_id'', true))', p_table);
    execute format('create policy owner on %s to gh_owner using (true) with check (true)', p_table);
    execute format('create policy maint on %s to gh_maint using (true) with check (true)', p_table);
    execute format('grant select, insert, update, delete on %s to gh_app, gh_maint', p_table);
end
$$;
-- +goose StatementEnd
revoke all on function app.protect(regclass) from public;

insert into app.residents (tenant_id) values ('platform') on conflict do nothing;

-- +goose Down
drop schema tenant cascade;
drop schema app cascade;
