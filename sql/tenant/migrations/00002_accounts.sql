-- Users, their sessions and refresh tokens, and the history of sign-ins.
-- Columns that end in _key hold folded text, computed by the program: under
-- row-level security lower(x) could not use an index.

-- +goose Up
create table tenant.users (
    tenant_id     text not null check (tenant_id <> ''),
    id            uuid not null,
    username      text not null check (length(username) between 3 and 50),
    username_key  text not null,
    email         text not null check (length(email) between 3 and 255),
    email_key     text not null,
    password_hash text not null,
    role          text not null check (role in ('member', 'admin', 'operator')),
    active        boolean not null default true,
    version       bigint not null default 1,
    created_at    timestamptz(3) not null default now(),
    updated_at    timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    constraint users_username_unique unique (tenant_id, username_key),
    constraint users_email_unique unique (tenant_id, email_key),
    -- The owner of a dedicated database must not be able to make an operator.
    check ((role = 'operator') = (tenant_id = 'platform'))
);
select app.protect('tenant.users');

create table tenant.sessions (
    tenant_id       text not null check (tenant_id <> ''),
    id              uuid not null,
    user_id         uuid not null,
    ip              text not null check (length(ip) <= 45),
    user_agent      text not null check (length(user_agent) <= 255),
    created_at      timestamptz(3) not null default now(),
    last_refresh_at timestamptz(3) not null default now(),
    expires_at      timestamptz(3) not null,
    revoked_at      timestamptz(3),
    revoked_reason  text check (revoked_reason in ('logout', 'logout_all', 'replaced', 'password', 'deactivated',
                                                   'deleted', 'role', 'suspended', 'reuse', 'admin')),
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references tenant.users on delete cascade,
    check ((revoked_at is null) = (revoked_reason is null))
);
create index sessions_user on tenant.sessions (tenant_id, user_id, created_at);
select app.protect('tenant.sessions');

create table tenant.refresh_tokens (
    tenant_id  text not null check (tenant_id <> ''),
    -- SHA-256 of the whole token; the token itself is never stored.
    hash       bytea not null check (length(hash) = 32),
    session_id uuid not null,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null,
    spent_at   timestamptz(3),
    primary key (tenant_id, hash),
    foreign key (tenant_id, session_id) references tenant.sessions on delete cascade
);
create index refresh_tokens_session on tenant.refresh_tokens (tenant_id, session_id);
select app.protect('tenant.refresh_tokens');

create table tenant.login_events (
    tenant_id  text not null check (tenant_id <> ''),
    id         uuid not null,
    user_id    uuid,
    outcome    text not null check (outcome in ('ok', 'bad_password', 'unknown_user', 'inactive', 'backoff')),
    ip         text not null check (length(ip) <= 45),
    user_agent text not null check (length(user_agent) <= 255),
    created_at timestamptz(3) not null default now(),
    primary key (tenant_id, id),
    -- Deleting a user keeps the event and forgets whose it was.
    foreign key (tenant_id, user_id) references tenant.users on delete set null (user_id)
);
create index login_events_user on tenant.login_events (tenant_id, user_id, created_at);
select app.protect('tenant.login_events');

-- app.require_session raises GH003 unless the session is live. It runs in the
-- same round trip as app.enter and the query, so a logout is obeyed at once.
-- +goose StatementBegin
create function app.require_session(p_tenant text, p_session uuid, p_user uuid) returns void
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from tenant.sessions s
        where s.tenant_id = p_tenant and s.id = p_session and s.user_id = p_user
          and s.revoked_at is null and s.expires_at > now();
    if not found then
        raise exception using errcode = 'GH003', message = 'session is not live';
    end if;
end
$$;
-- +goose StatementEnd
revoke all on function app.require_session(text, uuid, uuid) from public;
grant execute on function app.require_session(text, uuid, uuid) to gh_app, gh_maint;

-- +goose Down
drop function app.require_session(text, uuid, uuid);
drop table tenant.login_events, tenant.refresh_tokens, tenant.sessions, tenant.users;
