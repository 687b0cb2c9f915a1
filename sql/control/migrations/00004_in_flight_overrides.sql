-- Overrides of how many requests of a tenant may be in flight: requests is the
-- number, for all users, and never in shadow.

-- +goose Up
alter table control.limit_overrides
    drop constraint limit_overrides_policy_check,
    add constraint limit_overrides_policy_check
        check (policy in ('tenant', 'user', 'read', 'write', 'export', 'admin', 'in_flight')),
    add constraint limit_overrides_in_flight_check
        check (policy <> 'in_flight' or user_id is null and not shadow and period_seconds = 1 and burst = requests);

-- +goose Down
delete from control.limit_overrides where policy = 'in_flight';
alter table control.limit_overrides
    drop constraint limit_overrides_in_flight_check,
    drop constraint limit_overrides_policy_check,
    add constraint limit_overrides_policy_check
        check (policy in ('tenant', 'user', 'read', 'write', 'export', 'admin'));
