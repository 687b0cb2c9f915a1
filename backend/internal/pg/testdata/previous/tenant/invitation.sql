-- name: CreateInvitation :one
insert into tenant.invitations (tenant_id, id, hash, role, email, email_key, created_by, expires_at)
values (@tenant_id, @id, @hash, @role, @email, @email_key, @created_by, @expires_at)
returning tenant_id, id, hash, role, email, email_key, created_by, created_at, expires_at, used_at, used_by;

-- name: DeleteInvitation :execrows
delete from tenant.invitations where tenant_id = @tenant_id and id = @id;

-- name: VoidInvitationsOf :exec
-- VoidInvitationsOf deletes what a user has invited to and nobody has used yet.
delete from tenant.invitations where tenant_id = @tenant_id and created_by = @created_by and used_at is null;

-- name: ListInvitations :many
select tenant_id, id, hash, role, email, email_key, created_by, created_at, expires_at, used_at, used_by
from tenant.invitations
where tenant_id = @tenant_id
  and (created_at, id) > (@after_created_at::timestamptz, @after_id::uuid)
order by created_at, id
limit @row_limit;

-- name: ListInvitationsDesc :many
select tenant_id, id, hash, role, email, email_key, created_by, created_at, expires_at, used_at, used_by
from tenant.invitations
where tenant_id = @tenant_id
  and (created_at, id) < (@after_created_at::timestamptz, @after_id::uuid)
order by created_at desc, id desc
limit @row_limit;
