-- name: GetRoute :one
-- GetRoute tells where a tenant's data is: in the main database, or where the
-- sealed connection string says.
select t.id, t.placement, t.status, p.sealed_url
from control.tenants t left join control.placements p on p.tenant_id = t.id
where t.id = @id;

-- name: AddPlacement :exec
-- AddPlacement takes a database for a tenant. The connection strings follow in
-- the same transaction, once the database is ready.
insert into control.placements (tenant_id, database_key, sealed_owner_url, sealed_url)
values (@tenant_id, @database_key, '', '');

-- name: GetPlacement :one
select tenant_id, database_key, sealed_owner_url, sealed_url, created_at, updated_at
from control.placements where tenant_id = @tenant_id;

-- name: DatabaseTaken :one
-- DatabaseTaken tells whether another tenant has a database, which goes by a
-- name of its own under each key.
select exists (select from control.placements where database_key = any(@database_keys::bytea[]) and tenant_id <> @tenant_id);

-- name: Reseal :exec
-- Reseal stores the same connection strings under another key.
update control.placements set database_key = @database_key, sealed_owner_url = @sealed_owner_url, sealed_url = @sealed_url
where tenant_id = @tenant_id;

-- name: ListPlaced :many
-- ListPlaced lists the tenants that have or had a database of their own.
select tenant_id from control.placements order by tenant_id collate "C";

-- name: SetDatabaseKey :exec
update control.placements set database_key = @database_key, updated_at = now()
where tenant_id = @tenant_id;

-- name: SetPlacement :exec
update control.placements set sealed_owner_url = @sealed_owner_url, sealed_url = @sealed_url, updated_at = now()
where tenant_id = @tenant_id;

-- name: ClosePlacement :exec
-- ClosePlacement forgets how a deleted tenant was served, once its database has
-- been told.
update control.placements set sealed_url = '', updated_at = now()
where tenant_id = @tenant_id;

-- name: ListPlacements :many
-- ListPlacements lists the tenants there are and where each one's data is.
select t.id, t.name, t.placement, t.status, p.sealed_url
from control.tenants t left join control.placements p on p.tenant_id = t.id
where t.status <> 'deleted'
order by t.id collate "C";

-- name: ListAllPlacements :many
-- ListAllPlacements is ListPlacements with the deleted tenants, in pages.
select t.id, t.placement, t.status, p.sealed_url
from control.tenants t left join control.placements p on p.tenant_id = t.id
where t.id > @after_id::text
order by t.id
limit @row_limit;

-- name: ListOwnerURLs :many
-- ListOwnerURLs lists the dedicated databases that are to be kept up to date:
-- those of deleted tenants may be gone.
select p.tenant_id, p.sealed_owner_url
from control.placements p join control.tenants t on t.id = p.tenant_id
where t.status <> 'deleted'
order by p.tenant_id collate "C";
