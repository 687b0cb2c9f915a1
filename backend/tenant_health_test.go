package backend

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
)

// patience is how often a test looks again: on a machine that is busy, a
// database that is well may not answer within a second.
const patience = 10

type tenantStats struct {
	Total    int    `json:"total_tenants"`
	Active   int    `json:"active_tenants"`
	Users    int    `json:"total_users"`
	LoggedIn int    `json:"logged_in_users"`
	AsOf     string `json:"as_of"`
	Tenants  []struct {
		ID     string `json:"tenant_id"`
		Name   string
		Status string
	}
}

// overview asks all three operations until no database is pending, and returns
// the statistics and, for each tenant, whether it is active and its fault.
func (s *testServer) overview(operator actor) (tenantStats, map[string]string) {
	s.t.Helper()
	var stats tenantStats
	for s.t.Context().Err() == nil {
		var health []struct {
			ID      string `json:"tenant_id"`
			Name    string
			Healthy bool
			Error   *string
		}
		status, all, pending := map[string]bool{}, map[string]string{}, false
		s.do("GET", "/api/v1/admin/tenant/health", operator.Access, nil).want(s.t, 200).into(s.t, &health)
		s.do("GET", "/api/v1/admin/tenant/stats", operator.Access, nil).want(s.t, 200).into(s.t, &stats)
		s.do("GET", "/api/v1/admin/tenant/status", operator.Access, nil).want(s.t, 200).into(s.t, &status)
		for _, h := range health {
			if h.Healthy != (h.Error == nil) {
				s.t.Errorf("got %+v", h)
			}
			if h.Error != nil {
				all[h.ID] = *h.Error
				pending = pending || *h.Error == "pending"
			}
		}
		if pending {
			continue
		}
		for _, t := range stats.Tenants {
			if status[t.ID] != (all[t.ID] == "") {
				s.t.Errorf("%s: status %v, error %q", t.ID, status[t.ID], all[t.ID])
			}
			all[t.ID] = t.Status + " " + all[t.ID]
		}
		if len(status) != len(health) || len(stats.Tenants) != len(health) || stats.Total != len(health) {
			s.t.Errorf("got %d, %d and %d tenants", len(status), len(health), stats.Total)
		}
		return stats, all
	}
	s.t.Fatal("databases stay pending")
	return stats, nil
}

func TestStatisticsOfBothPlacements(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	s.newTenant(operator, "own", "open", db)
	expire := func() { // as a change through the API does
		s.do("PUT", tenantsPath+"/closed", operator.Access, map[string]any{"plan": "free"}).want(t, 200)
	}
	check := func(what string, tenants, active, users, loggedIn int) {
		t.Helper()
		var got tenantStats
		for range patience {
			expire()
			if got, _ = s.overview(operator); got.Total == tenants && got.Active == active && got.Users == users && got.LoggedIn == loggedIn {
				break
			}
		}
		if got.Total != tenants || got.Active != active || got.Users != users || got.LoggedIn != loggedIn || got.AsOf == "" {
			t.Errorf("%s: got %+v, want %d tenants, %d active, %d users, %d logged in", what, got, tenants, active, users, loggedIn)
		}
	}
	check("only the operator", 5, 5, 1, 1) // acme, closed, globex, own, platform
	ana := s.signup("own", "ana")
	s.login("own", "ana") // a second session is no second user
	bruno := s.signup("acme", "bruno")
	s.signup("globex", "carla")
	check("three more", 5, 5, 4, 4)
	s.do("POST", "/api/v1/auth/logout-all", ana.Access, nil).want(t, 200)
	s.do("POST", "/api/v1/auth/logout", bruno.Access, nil).want(t, 200)
	check("two logged out", 5, 5, 4, 2)
	dbtest.Exec(t, s.db.AdminURL, "update tenant.sessions set expires_at = now() where tenant_id = 'globex'")
	check("one expired", 5, 5, 4, 1)
	s.login("own", "ana")
	s.login("acme", "bruno")
	check("two again", 5, 5, 4, 3)

	// The users of suspended tenants are not counted; deleted ones are not there.
	for i, id := range []string{"own", "acme"} {
		s.do("POST", tenantsPath+"/"+id+"/suspend", operator.Access, nil).want(t, 200)
		check("suspended "+id, 5, 4-i, 3-i, 2-i)
	}
	if _, all := s.overview(operator); all["own"] != "inactive " || all["acme"] != "inactive " || all["globex"] != "active " {
		t.Errorf("got %v", all)
	}
	s.do("POST", tenantsPath+"/acme/resume", operator.Access, nil).want(t, 200)
	check("resumed acme", 5, 4, 3, 1)
	s.do("DELETE", tenantsPath+"/own", operator.Access, nil).want(t, 200)
	s.do("DELETE", tenantsPath+"/acme", operator.Access, nil).want(t, 200)
	check("two deleted", 3, 3, 2, 1)
}

// Dead databases are named by what is wrong with them, and keep nobody from an
// answer about the others.
func TestHealthOfDeadDatabases(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Tenants.Pools = 2 })
	operator := s.newOperator()
	expire := func() {
		s.do("PUT", tenantsPath+"/closed", operator.Access, map[string]any{"plan": "free"}).want(t, 200)
	}
	ways, dbs := map[string]*relay{}, map[string]config.Secret{}
	for _, id := range []string{"well", "silent", "gone", "refused", "renamed", "behind", "empty", "elsewhere", "pooled"} {
		dbs[id] = dbtest.NewDedicated(t)
		way, through := newRelay(t, dbs[id])
		ways[id] = way
		s.newTenant(operator, id, "open", through)
	}
	s.signup("pooled", "ana")
	for range patience {
		expire()
		if stats, _ := s.overview(operator); stats.Active == 13 && stats.Users == 2 {
			break // so much is known of those that will not answer
		}
	}

	own := func(id string) config.Secret { return inDatabase(t, s.db.AdminURL, dbs[id]) }
	ways["silent"].blocked.Store(true)
	_ = ways["gone"].Close()
	_ = ways["pooled"].Close()
	dbtest.Exec(t, s.db.AdminURL, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", parsed(t, dbs["pooled"]).Path[1:])
	serving := parsed(t, config.Secret(unseal(t, "serving\x00refused", dbtest.Value[[]byte](t, s.db.AdminURL,
		"select sealed_url from control.placements where tenant_id = 'refused'"))))
	dbtest.Exec(t, s.db.AdminURL, fmt.Sprintf("alter role %s password 'Other-Horse-8'", serving.User.Username()))
	dbtest.Exec(t, own("behind"), "delete from app.schema_version where version_id = (select max(version_id) from app.schema_version)")
	dbtest.Exec(t, own("empty"), "drop schema tenant, app cascade")
	dbtest.Exec(t, own("elsewhere"), "delete from app.residents")
	u := parsed(t, dbs["renamed"])
	dbtest.Exec(t, s.db.AdminURL, fmt.Sprintf("alter database %s rename to %s_old", u.Path[1:], u.Path[1:]))
	t.Cleanup(func() {
		dbtest.Exec(t, s.db.AdminURL, fmt.Sprintf("alter database %s_old rename to %s", u.Path[1:], u.Path[1:]))
	})

	want := map[string]string{
		"acme": "active ", "closed": "active ", "globex": "active ", "platform": "active ", "well": "active ",
		"silent": "inactive timeout", "pooled": "inactive unreachable", "gone": "inactive unreachable", "refused": "inactive refused",
		"renamed": "inactive refused", "behind": "inactive not_migrated", "empty": "inactive not_migrated", "elsewhere": "inactive refused",
	}
	var stats tenantStats
	var all map[string]string
	for range patience {
		expire()
		if stats, all = s.overview(operator); maps.Equal(all, want) {
			break
		}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Of those that do not answer, the users of before are counted.
	if stats.Total != 13 || stats.Active != 5 || stats.Users != 2 {
		t.Errorf("got %+v", stats)
	}
	// One comes back.
	ways["silent"].blocked.Store(false)
	for range patience {
		expire()
		if _, all = s.overview(operator); all["silent"] == "active " {
			break
		}
	}
	if all["silent"] != "active " {
		t.Errorf("got %v", all)
	}
}
