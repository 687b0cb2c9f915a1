-- name: GetMove :one
select tenant_id, target, step, database_key, sealed_owner_url, sealed_url, started_at
from control.tenant_moves where tenant_id = @tenant_id;

-- name: ListMoves :many
-- ListMoves lists the tenants that are on their way.
select tenant_id from control.tenant_moves order by tenant_id collate "C";

-- name: BeginMove :exec
-- BeginMove notes where a tenant goes; database_key is null for the main database.
insert into control.tenant_moves (tenant_id, target, step, database_key)
values (@tenant_id, @target, 'prepare', @database_key);

-- name: SetMoveDatabase :exec
-- SetMoveDatabase stores how the database is reached where the tenant goes.
update control.tenant_moves set sealed_owner_url = @sealed_owner_url, sealed_url = @sealed_url
where tenant_id = @tenant_id;

-- name: SetMoveStep :exec
update control.tenant_moves set step = @step where tenant_id = @tenant_id;

-- name: EndMove :exec
delete from control.tenant_moves where tenant_id = @tenant_id;

-- name: SettleInDedicated :exec
-- SettleInDedicated makes where the tenant goes its placement.
insert into control.placements (tenant_id, database_key, sealed_owner_url, sealed_url)
select m.tenant_id, m.database_key, m.sealed_owner_url, m.sealed_url
from control.tenant_moves m where m.tenant_id = @tenant_id;

-- name: SettleInShared :exec
-- SettleInShared takes its own database from a tenant, and keeps how to reach it
-- for cleaning up there.
with former as (
    delete from control.placements p where p.tenant_id = @tenant_id
    returning p.tenant_id, p.database_key, p.sealed_owner_url, p.sealed_url
)
update control.tenant_moves m
set database_key = f.database_key, sealed_owner_url = f.sealed_owner_url, sealed_url = f.sealed_url
from former f where m.tenant_id = f.tenant_id;

-- name: SetTenantPlacement :exec
update control.tenants set placement = @placement, version = version + 1, updated_at = now()
where id = @id;
