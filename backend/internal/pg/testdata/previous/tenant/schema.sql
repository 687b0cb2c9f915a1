-- name: SchemaVersion :one
select coalesce(max(version_id), 0)::bigint from app.schema_version where is_applied;
