package main

import (
	"path/filepath"
	"strconv"
)

// A scenario is what one script of loadtest/scenarios needs around it.
type scenario struct {
	name               string
	gateways, backends int
	tenants            []tenant
	// wide lets everybody ask as much as they like, where the question is what the
	// processes can do. Otherwise the built-in limits hold.
	wide bool
	// cheapHashes is set where signing in is not part of the question; otherwise hashes
	// cost what they cost in production.
	cheapHashes bool
	backendEnv  []string
	// rolling restarts everything, one process after the other, behind a load balancer.
	rolling bool
}

// A tenant is made with so many users and contacts.
type tenant struct {
	plan            string
	users, contacts int
}

// company is a small, a middling and a large tenant.
var company = []tenant{
	{plan: "free", users: 6, contacts: 100},
	{plan: "standard", users: 30, contacts: 2_000},
	{plan: "premium", users: 20, contacts: 5_000},
}

// quickTokens live for so short a time that even a short run refreshes them. A
// session can be refreshed 30 times in 15 minutes.
var quickTokens = []string{"MAX_AGE=60"}

// fleet are tenants of one size for scenarios that ask at a rate.
var fleet = []tenant{
	{plan: "premium", users: 40, contacts: 2_000},
	{plan: "premium", users: 40, contacts: 2_000},
	{plan: "premium", users: 40, contacts: 2_000},
}

var scenarios = []scenario{
	{name: "smoke", gateways: 2, backends: 2, tenants: company},
	{name: "average", gateways: 1, backends: 1, tenants: company},
	{name: "stress", gateways: 1, backends: 1, tenants: fleet, wide: true, cheapHashes: true},
	{name: "spike", gateways: 1, backends: 1, tenants: fleet, wide: true, cheapHashes: true},
	{name: "soak", gateways: 2, backends: 2, tenants: company, backendEnv: quickTokens},
	{name: "breakpoint", gateways: 1, backends: 1, tenants: fleet, wide: true, cheapHashes: true},
	{name: "auth-storm", gateways: 1, backends: 1, tenants: fleet},
	{name: "noisy-neighbour", gateways: 1, backends: 1, cheapHashes: true, tenants: []tenant{
		{plan: "standard", users: 60, contacts: 1_000}, // the loud one
		{plan: "standard", users: 12, contacts: 1_000},
		{plan: "premium", users: 12, contacts: 1_000},
	}},
	{name: "cache-cold", gateways: 1, backends: 1, cheapHashes: true, tenants: []tenant{
		{plan: "premium", users: 40, contacts: 10_000},
	}},
	{name: "mixed", gateways: 2, backends: 2, tenants: company, backendEnv: quickTokens},
	{name: "rolling-restart", gateways: 2, backends: 2, tenants: company, wide: true, cheapHashes: true, backendEnv: quickTokens, rolling: true},
	{name: "replay", gateways: 1, backends: 1, cheapHashes: true, tenants: []tenant{
		{plan: "premium", users: 20, contacts: 500},
		{plan: "premium", users: 20, contacts: 500},
		{plan: "premium", users: 20, contacts: 500},
		{plan: "premium", users: 20, contacts: 500},
		{plan: "premium", users: 20, contacts: 500},
	}},
}

// script is where the scenario's k6 script is, below the checkout. That of replay is
// written by loadtest/replay.
func (s *scenario) script() string {
	if s.name == "replay" {
		return filepath.Join("loadtest", "results", "replay.js")
	}
	return filepath.Join("loadtest", "scenarios", s.name+".js")
}

// limits is the gateways' file of limits; "" is the stack's own, which is wide.
func (s *scenario) limits() string {
	if s.wide {
		return ""
	}
	return "{}"
}

// environment returns what gateways and backends get besides the stack's own
// settings, which are for tests: production's, as far as this machine lets them.
func (s *scenario) environment() (gateway, backend []string) {
	shared := []string{
		"REDIS_TIMEOUT=100ms", // it shares its cores with what makes the load
	}
	gateway = append(gateway, shared...)
	gateway = append(gateway,
		"ADMISSION_MIN=64",
		// The scripts say for whom they speak, as a load balancer in front would.
		"TRUSTED_PROXIES=127.0.0.0/8,::1/128",
	)
	backend = append(backend, shared...)
	if !s.cheapHashes {
		backend = append(backend, "ARGON2_MEMORY_KIB="+strconv.Itoa(19*1024), "ARGON2_TIME=2")
	}
	if s.rolling {
		gateway, backend = append(gateway, drainDelay), append(backend, drainDelay)
	}
	return gateway, append(backend, s.backendEnv...)
}

func find(name string) *scenario {
	for i := range scenarios {
		if scenarios[i].name == name {
			return &scenarios[i]
		}
	}
	return nil
}

func names() []string {
	var list []string
	for _, s := range scenarios {
		list = append(list, s.name)
	}
	return list
}
