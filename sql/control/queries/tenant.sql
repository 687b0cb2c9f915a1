-- name: GetTenant :one
select * from control.tenants where id = @id;

-- name: CreateTenant :execrows
insert into control.tenants (id, name, signup)
values (@id, @name, @signup)
on conflict do nothing;
