-- name: GetRoute :one
-- GetRoute tells where a tenant's data is: in the main database, or where the
-- sealed connection string says.
select t.id, t.placement, t.status, p.sealed_url
from control.tenants t left join control.placements p on p.tenant_id = t.id
where t.id = @id;
