-- name: ListDedicated :many
-- ListDedicated lists the dedicated databases that are in use, or the one of the
-- given tenant even after its end.
select t.id as tenant_id, p.sealed_owner_url
from control.tenants t join control.placements p on p.tenant_id = t.id
where t.placement = 'dedicated'
  and case when sqlc.narg('tenant_id')::text is null then t.status <> 'deleted' else t.id = sqlc.narg('tenant_id')::text end
order by t.id;
