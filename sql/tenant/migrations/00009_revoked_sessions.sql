-- Sessions that have ended lately, which the edge is told of again when Redis has
-- lost them.

-- +goose Up
-- Over all tenants of a database. It comes first: among indexes that seem to cost
-- the same the planner takes the newest.
create index sessions_revoked_everywhere on tenant.sessions (revoked_at, id) where revoked_at is not null;
create index sessions_revoked on tenant.sessions (tenant_id, revoked_at, id) where revoked_at is not null;

-- +goose Down
drop index tenant.sessions_revoked, tenant.sessions_revoked_everywhere;
