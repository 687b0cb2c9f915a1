-- What moves ask of the catalog, without looking at all tables for what concerns one.
-- With the tables of invoices that was most of what following a tenant's changes cost.

-- +goose Up
-- +goose StatementBegin
create or replace function app.tenant_tables() returns table (name text, key_columns text[])
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    with recursive tables as (
        select c.oid, c.relname::text as name from pg_class c
        where c.relnamespace = 'tenant'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    ), keys as materialized (
        select distinct k.conrelid, k.confrelid from pg_constraint k
        where k.connamespace = 'tenant'::regnamespace and k.contype = 'f' and k.conrelid <> k.confrelid
    ), levels (oid, level) as (
        select t.oid, 0 from tables t
        union
        select k.conrelid, l.level + 1 from levels l join keys k on k.confrelid = l.oid
        where l.level < 100 -- a circle has no order
    ), highest as (
        select l.oid, max(l.level) as level from levels l group by l.oid
    )
    select t.name, array(
        select a.attname::text from pg_index i, unnest(i.indkey) with ordinality u (attnum, place)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = u.attnum
        where i.indrelid = t.oid and i.indisprimary order by u.place)
    from tables t join highest h on h.oid = t.oid order by h.level, t.name
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function app.key_list(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('t.%I', a.attname), ', ' order by u.place)
    from pg_index i, unnest(i.indkey) with ordinality u (attnum, place), pg_attribute a
    where i.indrelid = format('tenant.%I', p_table)::regclass and i.indisprimary and a.attrelid = i.indrelid and a.attnum = u.attnum
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function app.key_values(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('($2->>%L)::%s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by u.place)
    from pg_index i, unnest(i.indkey) with ordinality u (attnum, place), pg_attribute a
    where i.indrelid = format('tenant.%I', p_table)::regclass and i.indisprimary and a.attrelid = i.indrelid and a.attnum = u.attnum
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
create or replace function app.tenant_tables() returns table (name text, key_columns text[])
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
-- +goose StatementBegin
create or replace function app.key_list(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('t.%I', k), ', ') from app.tenant_tables() t, unnest(t.key_columns) k where t.name = p_table
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function app.key_values(p_table text) returns text
    language sql stable set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('($2->>%L)::%s', k.name, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place)
    from app.tenant_tables() t, unnest(t.key_columns) with ordinality k (name, place), pg_attribute a
    where t.name = p_table and a.attrelid = format('tenant.%I', p_table)::regclass and a.attname = k.name
$$;
-- +goose StatementEnd
