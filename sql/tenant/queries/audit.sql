-- name: CreateAuditEntry :exec
insert into tenant.audit (tenant_id, id, action, actor_id, actor, target, ip, request_id, details)
values (@tenant_id, @id, @action, @actor_id, @actor, @target, @ip, @request_id, @details);
