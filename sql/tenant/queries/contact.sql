-- name: CreateContact :one
insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key)
values (@tenant_id, @id, @name, @name_sort, @name_key, @gender, @age, @address, @phone, @email, @email_key)
returning tenant_id, id, name, name_sort, gender, age, address,
          phone, email, version, created_at, updated_at, name_key, email_key;

-- name: GetContact :one
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts where tenant_id = @tenant_id and id = @id;

-- name: UpdateContact :one
update tenant.contacts
set name = @name, name_sort = @name_sort, name_key = @name_key, email_key = @email_key, gender = @gender, age = @age, address = @address,
    phone = @phone, email = @email, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
returning tenant_id, id, name, name_sort, gender, age, address,
          phone, email, version, created_at, updated_at, name_key, email_key;

-- name: DeleteContact :execrows
delete from tenant.contacts where tenant_id = @tenant_id and id = @id;

-- name: ListContactsByCreated :many
-- There is one list query for each sort order and direction, so that each is an
-- index range that starts at the cursor. A filter that is null does not filter.
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by created_at, id
limit @row_limit;

-- name: ListContactsByCreatedDesc :many
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by created_at desc, id desc
limit @row_limit;

-- name: ListContactsByName :many
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (name_sort, id) > (@after_name_sort::text, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by name_sort, id
limit @row_limit;

-- name: ListContactsByNameDesc :many
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (name_sort, id) < (@after_name_sort::text, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by name_sort desc, id desc
limit @row_limit;

-- name: ListContactsByAge :many
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (age, id) > (@after_age::integer, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by age, id
limit @row_limit;

-- name: ListContactsByAgeDesc :many
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (age, id) < (@after_age::integer, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
order by age desc, id desc
limit @row_limit;
