-- name: SchemaVersion :one
select coalesce(max(version_id), 0)::bigint from control.schema_version where is_applied;
