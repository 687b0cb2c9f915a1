-- name: GetTenant :one
select id, id_key, name, placement, status, plan, signup, session_mode, version, created_at, updated_at
from control.tenants where id = @id;

-- name: CreateTenant :execrows
insert into control.tenants (id, name, signup)
values (@id, @name, @signup)
on conflict do nothing;
