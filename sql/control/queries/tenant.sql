-- name: GetTenant :one
select id, id_key, name, name_key, placement, status, plan, signup, session_mode, version, created_at, updated_at
from control.tenants where id = @id;

-- name: CreateTenant :execrows
insert into control.tenants (id, name, name_key, signup)
values (@id, @name, @name_key, @signup)
on conflict do nothing;
