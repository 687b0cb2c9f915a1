-- What make test/plans has found to be missing or in the way.

-- +goose Up
-- An import asks which of its e-mail addresses are in use, and who demotes an admin
-- how many there are.
create index contacts_email on tenant.contacts (tenant_id, email_key);
create index users_role on tenant.users (tenant_id, role, id);

-- What is read over all tenants has indexes that begin with what holds for every
-- row, and what only these queries ask for. Without that, what a tenant with many
-- rows asked for was looked for among the rows of all.
drop index tenant.audit_created_everywhere, tenant.sessions_revoked_everywhere;
create index audit_created_everywhere on tenant.audit ((length(tenant_id) > 0), created_at, id);
create index sessions_revoked_everywhere on tenant.sessions ((length(tenant_id) > 0), revoked_at, id) where revoked_at is not null;

-- +goose Down
drop index tenant.audit_created_everywhere, tenant.sessions_revoked_everywhere;
create index audit_created_everywhere on tenant.audit (created_at, id);
create index sessions_revoked_everywhere on tenant.sessions (revoked_at, id) where revoked_at is not null;
drop index tenant.users_role, tenant.contacts_email;
