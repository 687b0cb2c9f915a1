-- Folded text for finding contacts by a part of their name or e-mail address.
-- Rows from before get an approximation until they are written next.

-- +goose Up
alter table tenant.contacts
    add column name_key text not null default '',
    add column email_key text not null default '';
update tenant.contacts set name_key = lower(name), email_key = lower(email);

-- +goose Down
alter table tenant.contacts drop column name_key, drop column email_key;
