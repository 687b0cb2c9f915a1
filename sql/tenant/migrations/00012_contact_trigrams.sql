-- Contacts are found by a part of a name, an address or a number through an index
-- of trigrams. LIKE is not leakproof, so under row-level security it cannot be the
-- condition of an index: a function of the owner's looks the text up.

-- +goose Up
create extension if not exists pg_trgm with schema app;
create extension if not exists btree_gin with schema app;

-- The extensions may have been there before, in another schema.
-- +goose StatementBegin
do $$
declare
    trigrams text := (select format('%I.gin_trgm_ops', n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm');
begin
    execute format('create index contacts_trigrams on tenant.contacts using gin (tenant_id, name_key %1$s, email_key %1$s, phone %1$s)', trigrams);
end
$$;
-- +goose StatementEnd

-- app.find_contacts returns the ids, as text, of the entered tenant's contacts whose field
-- (name, email, phone, or q for any of them) is like the pattern. It is null when
-- they are more than p_most, or so many of the newest contacts match that going
-- through a list finds a page of them sooner.
-- +goose StatementBegin
create function app.find_contacts(p_tenant text, p_field text, p_pattern text, p_most integer) returns text[]
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = on
    set enable_indexscan = on
as $$
declare
    sample constant integer := 1000;
    matches text;
    seen    integer;
    ids     text[];
begin
    if p_tenant is distinct from nullif(current_setting('app.tenant_id', true), '') then
        raise exception using errcode = '42501', message = 'the tenant has not been entered';
    end if;
    matches := case p_field
        when 'name' then 'name_key like $2'
        when 'email' then 'email_key like $2'
        when 'phone' then 'phone like $2'
        when 'q' then '(name_key like $2 or email_key like $2 or phone like $2)'
    end;
    execute format('select count(*) from (select name_key, email_key, phone from tenant.contacts
        where tenant_id = $1 order by id desc limit $3) newest where %s', matches) into seen using p_tenant, p_pattern, sample;
    if seen > sample / 20 then
        return null;
    end if;
    -- Only a bitmap can be made of the trigrams, and where the planner takes a text
    -- for frequent it would rather read all the tenant has. Until the function ends.
    perform set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true);
    execute format('select coalesce(array_agg(id::text), ''{}'') from (select id from tenant.contacts
        where tenant_id = $1 and %s limit $3) found', matches) into ids using p_tenant, p_pattern, p_most + 1;
    return case when cardinality(ids) <= p_most then ids end;
end
$$;
-- +goose StatementEnd
revoke all on function app.find_contacts(text, text, text, integer) from public;
grant execute on function app.find_contacts(text, text, text, integer) to gh_app;

-- +goose Down
drop function app.find_contacts(text, text, text, integer);
drop index tenant.contacts_trigrams;
-- The extensions stay: others may use them by now.
