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

-- name: LockUser :one
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users where tenant_id = @tenant_id and id = @id for update;

-- name: LockActiveUsersOfRole :many
-- LockActiveUsersOfRole locks in the order of ids, so that two that lock the
-- same users do not wait for each other.
select id from tenant.users
where tenant_id = @tenant_id and role = @role and active
order by id
for no key update;

-- name: UpdateUser :one
update tenant.users
set username = @username, username_key = @username_key, email = @email, email_key = @email_key,
    role = @role, active = @active, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
returning tenant_id, id, username, username_key, email, email_key, password_hash,
          role, active, version, created_at, updated_at;

-- name: DeleteUser :exec
delete from tenant.users where tenant_id = @tenant_id and id = @id;

-- name: ListUsersByCreated :many
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('pattern')::text is null or username_key like sqlc.narg('pattern')::text or email_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('role')::text is null or role = sqlc.narg('role')::text)
  and (sqlc.narg('active')::boolean is null or active = sqlc.narg('active')::boolean)
order by created_at, id
limit @row_limit;

-- name: ListUsersByCreatedDesc :many
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('pattern')::text is null or username_key like sqlc.narg('pattern')::text or email_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('role')::text is null or role = sqlc.narg('role')::text)
  and (sqlc.narg('active')::boolean is null or active = sqlc.narg('active')::boolean)
order by created_at desc, id desc
limit @row_limit;

-- name: ListUsersByUsername :many
-- ListUsersByUsername needs no second column: usernames are unique.
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users
where tenant_id = @tenant_id
  and username_key > @after_username_key::text
  and (sqlc.narg('pattern')::text is null or username_key like sqlc.narg('pattern')::text or email_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('role')::text is null or role = sqlc.narg('role')::text)
  and (sqlc.narg('active')::boolean is null or active = sqlc.narg('active')::boolean)
order by username_key
limit @row_limit;

-- name: ListUsersByUsernameDesc :many
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users
where tenant_id = @tenant_id
  and username_key < @after_username_key::text
  and (sqlc.narg('pattern')::text is null or username_key like sqlc.narg('pattern')::text or email_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('role')::text is null or role = sqlc.narg('role')::text)
  and (sqlc.narg('active')::boolean is null or active = sqlc.narg('active')::boolean)
order by username_key desc
limit @row_limit;

-- name: ListLastUsersByUsername :many
-- ListLastUsersByUsername starts the descending order: no text comes after all
-- others in every collation.
select tenant_id, id, username, username_key, email, email_key, password_hash,
       role, active, version, created_at, updated_at
from tenant.users
where tenant_id = @tenant_id
  and (sqlc.narg('pattern')::text is null or username_key like sqlc.narg('pattern')::text or email_key like sqlc.narg('pattern')::text)
  and (sqlc.narg('role')::text is null or role = sqlc.narg('role')::text)
  and (sqlc.narg('active')::boolean is null or active = sqlc.narg('active')::boolean)
order by username_key desc
limit @row_limit;

-- name: ListLoginsOfUser :many
select tenant_id, id, user_id, outcome, ip, user_agent, created_at
from tenant.login_events
where tenant_id = @tenant_id and user_id = @user_id::uuid
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
order by created_at, id
limit @row_limit;

-- name: ListLoginsOfUserDesc :many
select tenant_id, id, user_id, outcome, ip, user_agent, created_at
from tenant.login_events
where tenant_id = @tenant_id and user_id = @user_id::uuid
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
order by created_at desc, id desc
limit @row_limit;

-- name: HoldUser :one
-- HoldUser keeps the user from being deleted before the transaction ends.
select id from tenant.users where tenant_id = @tenant_id and id = @id for key share;
