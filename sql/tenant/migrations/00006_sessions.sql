-- What sign-up by invitation, back-off after failed sign-ins, the grace for a
-- repeated refresh, and lists of users, sessions and sign-ins need.

-- +goose Up
create table tenant.invitations (
    tenant_id  text not null check (tenant_id <> ''),
    id         uuid not null,
    -- SHA-256 of the token; the token itself is shown once and never stored.
    hash       bytea not null check (length(hash) = 32),
    role       text not null check (role in ('member', 'admin')),
    -- When set, only this address may sign up with it.
    email      text check (length(email) between 3 and 255),
    email_key  text,
    created_by uuid,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null,
    used_at    timestamptz(3),
    used_by    uuid,
    primary key (tenant_id, id),
    constraint invitations_hash_unique unique (tenant_id, hash),
    check ((email is null) = (email_key is null)),
    foreign key (tenant_id, created_by) references tenant.users on delete set null (created_by),
    foreign key (tenant_id, used_by) references tenant.users on delete set null (used_by)
);
create index invitations_created on tenant.invitations (tenant_id, created_at, id);
select app.protect('tenant.invitations');

-- Failed sign-ins in a window of time that starts with the first of them.
create table tenant.login_failures (
    tenant_id text not null check (tenant_id <> ''),
    -- SHA-256 of what is counted: an identifier, alone or with an address.
    key       bytea not null check (length(key) = 32),
    failures  integer not null check (failures > 0),
    since     timestamptz(3) not null,
    primary key (tenant_id, key)
);
select app.protect('tenant.login_failures');

-- Refreshes of a session in a window of time.
alter table tenant.sessions
    add column refreshes integer not null default 0,
    add column refreshes_since timestamptz(3) not null default now();

-- Who spent a refresh token and what it was traded for: a repeat by the same
-- client shortly after may be a lost answer and not a theft.
alter table tenant.refresh_tokens
    add column spent_ip text check (length(spent_ip) <= 45),
    add column spent_user_agent text check (length(spent_user_agent) <= 255),
    add column successor bytea check (length(successor) = 32);

create index users_created on tenant.users (tenant_id, created_at, id);
create index sessions_user_created on tenant.sessions (tenant_id, user_id, created_at, id);
drop index tenant.sessions_user;
create index login_events_user_created on tenant.login_events (tenant_id, user_id, created_at, id);
drop index tenant.login_events_user;

-- +goose Down
create index login_events_user on tenant.login_events (tenant_id, user_id, created_at);
drop index tenant.login_events_user_created;
create index sessions_user on tenant.sessions (tenant_id, user_id, created_at);
drop index tenant.sessions_user_created;
drop index tenant.users_created;
alter table tenant.refresh_tokens drop column spent_ip, drop column spent_user_agent, drop column successor;
alter table tenant.sessions drop column refreshes, drop column refreshes_since;
drop table tenant.login_failures, tenant.invitations;
