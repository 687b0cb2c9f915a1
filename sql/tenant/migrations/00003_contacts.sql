-- The address book. Each sort order of the list has its index; the id makes
-- every order total.

-- +goose Up
create table tenant.contacts (
    tenant_id  text not null check (tenant_id <> ''),
    id         uuid not null,
    name       text not null check (length(name) between 1 and 100),
    -- The name as people sort it: folded, without accents, compared by bytes so
    -- that every machine gives the same order.
    name_sort  text collate "C" not null,
    gender     boolean not null,
    age        integer not null check (age between 0 and 150),
    address    text not null check (length(address) between 1 and 500),
    phone      text not null check (length(phone) between 10 and 20),
    email      text not null check (length(email) between 3 and 255),
    version    bigint not null default 1,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(),
    primary key (tenant_id, id)
);
create index contacts_created on tenant.contacts (tenant_id, created_at, id);
create index contacts_name on tenant.contacts (tenant_id, name_sort, id);
create index contacts_age on tenant.contacts (tenant_id, age, id);
select app.protect('tenant.contacts');

-- +goose Down
drop table tenant.contacts;
