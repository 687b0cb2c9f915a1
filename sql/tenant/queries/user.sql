-- name: CreateUser :one
insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role, active)
values (@tenant_id, @id, @username, @username_key, @email, @email_key, @password_hash, @role, @active)
returning tenant_id, id, username, username_key, email, email_key, password_hash,
          role, active, version, created_at, updated_at;

-- name: GetUser :one
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users where tenant_id = @tenant_id and id = @id;

-- name: GetUserByUsername :one
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users where tenant_id = @tenant_id and username_key = @username_key;

-- name: GetUserByEmail :one
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users where tenant_id = @tenant_id and email_key = @email_key;

-- name: SetPasswordHash :exec
update tenant.users set password_hash = @password_hash
where tenant_id = @tenant_id and id = @id and password_hash = @old_hash;

-- name: HasOperator :one
select exists (select from tenant.users where tenant_id = 'platform' and role = 'operator');

-- name: LockUserActive :one
select active from tenant.users where tenant_id = @tenant_id and id = @id for share;
