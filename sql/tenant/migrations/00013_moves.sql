-- Moving a tenant to another database while it is used: triggers log its changes
-- from before its rows are copied, and the log is carried out on the copy until
-- writes are paused for the last of it. Everything here is gh_owner's alone and
-- goes by the catalog, so that it holds for every table of the tenant plane.

-- +goose Up
-- Set between the end of a tenant's service in this database and the moment when
-- the control plane names another one: reads are refused, too.
alter table app.residents add column closed_at timestamptz;

create table app.changes (
    -- Of two changes that depend on each other, the first one has the lower id: the
    -- second one could not be made before the first was committed.
    id         bigint generated always as identity primary key,
    tenant_id  text not null,
    table_name text not null,
    gone       boolean not null,
    -- The row as it became, or as it was before it was deleted.
    content    json not null
);
create index changes_tenant on app.changes (tenant_id, id);

-- The changes that a copy has in it already, with the keys of their rows.
create table app.applied_changes (
    tenant_id  text not null,
    id         bigint not null,
    table_name text not null,
    key        jsonb not null,
    primary key (tenant_id, id)
);

-- app.enter refuses, with GH002, who would write while a fence stands, and
-- everybody once the tenant's service here has ended. A fence ends by itself after
-- ten seconds: whoever set it may be gone. A move does not rely on it (see
-- HasChanges).
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
    if resident.closed_at is not null or p_write and resident.fenced_at > now() - interval '10 seconds' then
        raise exception using errcode = 'GH002', message = 'tenant is being moved';
    end if;
    perform set_config('app.tenant_id', p_tenant, true);
end
$$;
-- +goose StatementEnd

-- app.tenant_tables lists the tables of the tenant plane, those that others point
-- at first, with the columns of their primary keys.
-- +goose StatementBegin
create function app.tenant_tables() returns table (name text, key_columns text[])
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    with recursive tables as (
        select c.oid, c.relname::text as name from pg_class c
        where c.relnamespace = 'tenant'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    ), levels (oid, level) as (
        select t.oid, 0 from tables t
        union
        select k.conrelid, l.level + 1 from levels l
        join pg_constraint k on k.confrelid = l.oid and k.contype = 'f' and k.conrelid <> k.confrelid
        where l.level < 100 -- a circle has no order
    )
    select t.name, array(
        select a.attname::text from pg_index i, unnest(i.indkey) with ordinality u (attnum, place)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = u.attnum
        where i.indrelid = t.oid and i.indisprimary order by u.place)
    from tables t order by (select max(l.level) from levels l where l.oid = t.oid), t.name
$$;
-- +goose StatementEnd

-- app.key_list returns the columns of a table's primary key, and app.key_values what
-- a row in JSON has for them, as lists for a statement whose parameter $2 it is.
-- +goose StatementBegin
create function app.key_list(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('t.%I', k), ', ') from app.tenant_tables() t, unnest(t.key_columns) k where t.name = p_table
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function app.key_values(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('($2->>%L)::%s', k.name, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place)
    from app.tenant_tables() t, unnest(t.key_columns) with ordinality k (name, place), pg_attribute a
    where t.name = p_table and a.attrelid = format('tenant.%I', p_table)::regclass and a.attname = k.name
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function app.log_change() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set bytea_output = 'hex'
as $$
begin
    if tg_op = 'DELETE' then
        insert into app.changes (tenant_id, table_name, gone, content) values (old.tenant_id, tg_table_name, true, to_json(old));
    else
        insert into app.changes (tenant_id, table_name, gone, content) values (new.tenant_id, tg_table_name, false, to_json(new));
    end if;
    return null;
end
$$;
-- +goose StatementEnd

-- app.capture makes the triggers of a tenant on a table. They fire after those of
-- foreign keys, by their names.
-- +goose StatementBegin
create function app.capture(p_tenant text, p_table text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform from pg_trigger where tgrelid = format('tenant.%I', p_table)::regclass and tgname = 'zz_move_' || p_tenant;
    if found then
        return;
    end if;
    execute format('create trigger %I after insert or update on tenant.%I for each row when (new.tenant_id = %L) execute function app.log_change()',
        'zz_move_' || p_tenant, p_table, p_tenant);
    execute format('create trigger %I after delete on tenant.%I for each row when (old.tenant_id = %L) execute function app.log_change()',
        'zz_gone_' || p_tenant, p_table, p_tenant);
end
$$;
-- +goose StatementEnd

-- app.release drops them.
-- +goose StatementBegin
create function app.release(p_tenant text, p_table text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform from pg_trigger where tgrelid = format('tenant.%I', p_table)::regclass and tgname = 'zz_move_' || p_tenant;
    if found then
        execute format('drop trigger %I on tenant.%I', 'zz_move_' || p_tenant, p_table);
        execute format('drop trigger %I on tenant.%I', 'zz_gone_' || p_tenant, p_table);
    end if;
end
$$;
-- +goose StatementEnd

-- app.export_rows returns {"rows", "last"}: up to so many rows of a tenant after
-- the one whose key is in p_after, and the last of them, which is null at the end.
-- +goose StatementBegin
create function app.export_rows(p_tenant text, p_table text, p_after json, p_limit integer) returns json
    language plpgsql stable set search_path = pg_catalog, pg_temp set bytea_output = 'hex'
as $$
declare
    condition text := '';
    found json;
begin
    if p_after is not null then
        condition := format('and (%s) > (%s)', app.key_list(p_table), app.key_values(p_table));
    end if;
    execute format('select json_agg(r) from (select t.* from tenant.%I t where t.tenant_id = $1 %s order by %s limit $3) r',
        p_table, condition, app.key_list(p_table)) into found using p_tenant, p_after, p_limit;
    return json_build_object('rows', found, 'last', found->-1);
end
$$;
-- +goose StatementEnd

-- app.import_rows takes the rows that app.export_rows returned, which must be the
-- tenant's, and returns how many there were.
-- +goose StatementBegin
create function app.import_rows(p_tenant text, p_table text, p_rows json) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    taken bigint;
begin
    execute format('insert into tenant.%1$I select r.* from json_populate_recordset(null::tenant.%1$I, $1) r where r.tenant_id = $2', p_table)
        using p_rows->'rows', p_tenant;
    get diagnostics taken = row_count;
    if taken <> json_array_length(p_rows->'rows') then
        raise exception 'a row is of another tenant';
    end if;
    return taken;
end
$$;
-- +goose StatementEnd

-- app.export_changes returns {"ids", "changes"}: the oldest of those that are to be
-- seen, as many as wanted.
-- +goose StatementBegin
create function app.export_changes(p_tenant text, p_limit integer) returns json
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select json_build_object('ids', coalesce(json_agg(c.id order by c.id), '[]'), 'changes', coalesce(json_agg(c order by c.id), '[]'))
    from (select id, table_name, gone, content from app.changes where tenant_id = p_tenant order by id limit p_limit) c
$$;
-- +goose StatementEnd

-- app.apply_changes carries out what app.export_changes returned, each change once
-- however often it comes.
-- +goose StatementBegin
create function app.apply_changes(p_tenant text, p_changes json) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    statements jsonb; -- by table: how to put a row there and to delete one, and what its key is
    change record;
begin
    select jsonb_object_agg(t.name, jsonb_build_object(
        'put', format('insert into tenant.%1$I select r.* from json_populate_record(null::tenant.%1$I, $1) r on conflict (%2$s) do update set %3$s',
            t.name,
            (select string_agg(format('%I', k), ', ') from unnest(t.key_columns) k),
            (select string_agg(format('%1$I = excluded.%1$I', a.attname), ', ') from pg_attribute a
             where a.attrelid = format('tenant.%I', t.name)::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> all(t.key_columns))),
        'delete', format('delete from tenant.%I t where (%s) = (%s) and t.tenant_id = $1', t.name, app.key_list(t.name), app.key_values(t.name)),
        'key', t.key_columns))
        into statements from app.tenant_tables() t
        where t.name in (select c->>'table_name' from json_array_elements(p_changes->'changes') c);
    for change in
        select * from json_to_recordset(p_changes->'changes') as c (id bigint, table_name text, gone boolean, content json) order by c.id
    loop
        insert into app.applied_changes (tenant_id, id, table_name, key)
            select p_tenant, change.id, change.table_name, jsonb_object_agg(k, change.content->k)
            from jsonb_array_elements_text(statements->change.table_name->'key') k
            on conflict do nothing;
        continue when not found;
        if change.content->>'tenant_id' <> p_tenant then
            raise exception 'a change is of another tenant';
        end if;
        if change.gone then
            execute statements->change.table_name->>'delete' using p_tenant, change.content;
        else
            execute statements->change.table_name->>'put' using change.content;
        end if;
    end loop;
end
$$;
-- +goose StatementEnd

-- app.touched_keys returns the keys of a table's rows that changes have been
-- carried out on.
create function app.touched_keys(p_tenant text, p_table text) returns json
    language sql stable set search_path = pg_catalog, pg_temp
    return (select coalesce(json_agg(distinct key), '[]') from app.applied_changes where tenant_id = p_tenant and table_name = p_table);

-- app.fingerprint says of a tenant's rows in a table how many they are, and what
-- the hashes of their contents come to, in any order. With keys it looks at the
-- contents of those rows only, and counts all.
-- +goose StatementBegin
create function app.fingerprint(p_tenant text, p_table text, p_keys json) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set bytea_output = 'hex' set extra_float_digits = 1
as $$
declare
    hash constant text := $q$sum(('x' || left(md5(t::text), 15))::bit(60)::bigint)$q$;
    n bigint;
    contents numeric;
begin
    if p_keys is null then
        execute format('select count(*), %s from tenant.%I t where t.tenant_id = $1', hash, p_table) into n, contents using p_tenant;
    else
        execute format('select count(*) from tenant.%I t where t.tenant_id = $1', p_table) into n using p_tenant;
        execute format('select %s from json_populate_recordset(null::tenant.%I, $2) k join tenant.%2$I t on (%s) = (%s) where t.tenant_id = $1',
            hash, p_table, app.key_list(p_table), replace(app.key_list(p_table), 't.', 'k.')) into contents using p_tenant, p_keys;
    end if;
    return format('%s rows, contents %s', n, coalesce(contents, 0));
end
$$;
-- +goose StatementEnd

-- app.wipe_rows deletes up to so many of a tenant's rows in a table and returns how
-- many it deleted. It refuses a tenant that is served from here.
-- +goose StatementBegin
create function app.wipe_rows(p_tenant text, p_table text, p_limit integer) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    wiped bigint;
begin
    perform from app.residents where tenant_id = p_tenant and closed_at is null;
    if found then
        raise exception 'the tenant is served from this database';
    end if;
    execute format('delete from tenant.%1$I where ctid = any(array(select t.ctid from tenant.%1$I t where t.tenant_id = $1 limit $2))', p_table)
        using p_tenant, p_limit;
    get diagnostics wiped = row_count;
    return wiped;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'app'::regnamespace and p.proname in (
        'tenant_tables', 'key_list', 'key_values', 'log_change', 'capture', 'release', 'export_rows', 'import_rows', 'export_changes',
        'apply_changes', 'touched_keys', 'fingerprint', 'wipe_rows')
    loop
        execute format('revoke all on function %s from public', f);
    end loop;
end
$$;
-- +goose StatementEnd

-- +goose Down
drop function app.wipe_rows(text, text, integer), app.fingerprint(text, text, json), app.touched_keys(text, text),
    app.apply_changes(text, json), app.export_changes(text, integer), app.import_rows(text, text, json),
    app.export_rows(text, text, json, integer), app.release(text, text), app.capture(text, text), app.log_change(),
    app.key_values(text), app.key_list(text), app.tenant_tables();
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
drop table app.applied_changes, app.changes;
alter table app.residents drop column closed_at;
