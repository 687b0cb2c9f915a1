package stack

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"time"
)

func (s *Stack) build(ctx context.Context) (err error) {
	dir := ""
	if s.throwaway == nil {
		dir = filepath.Join(s.dir, "bin")
	}
	start := time.Now()
	s.programs, err = buildPrograms(ctx, dir, s.options.Progress)
	if err == nil {
		say(s.options.Progress, "programs built (%.1f s)", time.Since(start).Seconds())
	}
	return err
}

func (s *Stack) startPostgres(ctx context.Context) (err error) {
	if s.options.DatabaseURL != "" {
		return s.useDatabase(s.options.DatabaseURL)
	}
	s.Postgres = s.options.Postgres
	if s.Postgres == nil {
		o := PostgresOptions{Progress: s.options.Progress}
		o.onEnd = s.revive("postgres", func(ctx context.Context) error { return s.Postgres.Start(ctx) })
		if s.throwaway == nil {
			o.Dir = filepath.Join(s.dir, "postgres")
		}
		out, err := s.output("postgres")
		if err != nil {
			return err
		}
		o.Log = out
		if s.Postgres, err = StartPostgres(ctx, o); err != nil {
			return err
		}
	}
	// Roles belong to the server, which may outlive this stack or serve others
	// besides it.
	if s.options.Postgres != nil || s.throwaway != nil {
		s.Secrets.deriveRoles(s.Postgres.password)
	}
	say(s.options.Progress, "PostgreSQL %s on %s", s.Postgres.Version, s.Postgres.Addr())
	return s.useDatabase(s.Postgres.URL("postgres", s.Postgres.password, ""))
}

// useDatabase sets the connection strings from the administrator's.
func (s *Stack) useDatabase(admin string) error {
	u, err := url.Parse(admin)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// The parser's message would show the password.
		return errors.New("DATABASE_URL is no connection string like postgres://user:password@host:5432/database")
	}
	s.AdminURL = admin
	if u.Path == "" || u.Path == "/" {
		u.Path = "/gatehouse"
		if s.options.Database != "" {
			u.Path = "/" + s.options.Database
		}
	}
	query := u.Query()
	query.Del("user")
	query.Del("password")
	u.RawQuery = query.Encode()
	s.OwnerURL = as(u, ownerRole, s.Secrets.OwnerPassword)
	s.AppURL = as(u, appRole, s.Secrets.AppPassword)
	s.MaintURL = as(u, maintRole, s.Secrets.MaintPassword)
	return nil
}

func (s *Stack) startRedis(ctx context.Context) error {
	if s.options.RedisURL != "" {
		s.RedisURL = s.options.RedisURL
		return nil
	}
	s.Redis = s.options.Redis
	if s.Redis == nil {
		out, err := s.output("redis")
		if err != nil {
			return err
		}
		o := RedisOptions{Log: out}
		o.onEnd = s.revive("redis", func(ctx context.Context) error { return s.Redis.Start(ctx) })
		if s.Redis, err = StartRedis(ctx, o); err != nil {
			return err
		}
	}
	s.RedisURL = s.Redis.URL()
	if s.Redis.Embedded() {
		say(s.options.Progress, "embedded Redis on %s, since no redis-server is installed", s.Redis.Addr())
	} else {
		say(s.options.Progress, "Redis %s on %s", s.Redis.Version, s.Redis.Addr())
	}
	return nil
}
