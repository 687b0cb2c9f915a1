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
-- Versions are those that may be changed, any when null.
update tenant.contacts
set name = @name, name_sort = @name_sort, name_key = @name_key, email_key = @email_key, gender = @gender, age = @age, address = @address,
    phone = @phone, email = @email, version = version + 1, updated_at = now()
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]))
returning tenant_id, id, name, name_sort, gender, age, address,
          phone, email, version, created_at, updated_at, name_key, email_key;

-- name: DeleteContact :execrows
-- Versions are those that may be deleted, any when null.
delete from tenant.contacts
where tenant_id = @tenant_id and id = @id
  and (sqlc.narg('versions')::bigint[] is null or version = any(sqlc.narg('versions')::bigint[]));

-- name: ListContactsByCreated :many
-- There is one list query for each sort order and direction, so that each is an
-- index range that starts at the cursor. A filter that is null does not filter;
-- those on text are LIKE patterns.
select tenant_id, id, name, name_sort, gender, age, address,
       phone, email, version, created_at, updated_at, name_key, email_key
from tenant.contacts
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
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
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
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
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
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
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
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
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
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
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text)
order by age desc, id desc
limit @row_limit;

-- name: CountContacts :one
select count(*)
from tenant.contacts
where tenant_id = @tenant_id
  and (sqlc.narg('age')::integer is null or age = sqlc.narg('age')::integer)
  and (sqlc.narg('age_gte')::integer is null or age >= sqlc.narg('age_gte')::integer)
  and (sqlc.narg('age_lte')::integer is null or age <= sqlc.narg('age_lte')::integer)
  and (sqlc.narg('gender')::boolean is null or gender = sqlc.narg('gender')::boolean)
  and (sqlc.narg('name')::text is null or name_key like sqlc.narg('name')::text)
  and (sqlc.narg('email')::text is null or email_key like sqlc.narg('email')::text)
  and (sqlc.narg('phone')::text is null or phone like sqlc.narg('phone')::text)
  and (sqlc.narg('q')::text is null or name_key like sqlc.narg('q')::text
       or email_key like sqlc.narg('q')::text or phone like sqlc.narg('q')::text);

-- name: ImportContacts :execrows
-- ImportContacts adds a row for each place in the arrays. Ids are text, since not
-- every way of sending parameters has arrays of UUIDs.
insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key)
select @tenant_id, unnest(@ids::text[])::uuid, unnest(@names::text[]), unnest(@name_sorts::text[]), unnest(@name_keys::text[]),
       unnest(@genders::boolean[]), unnest(@ages::integer[]), unnest(@addresses::text[]), unnest(@phones::text[]),
       unnest(@emails::text[]), unnest(@email_keys::text[]);

-- name: ListEmailKeysInUse :many
-- ListEmailKeysInUse returns those of the folded addresses that some contact
-- has, once for each contact.
select email_key from tenant.contacts
where tenant_id = @tenant_id and email_key = any(@email_keys::text[]);
