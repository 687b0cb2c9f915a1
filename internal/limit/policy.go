package limit

import "slices"

// Policies by the client's address, enforced before it is known who calls.
const (
	Public  = "public"  // operations without security, and refused tokens
	Auth    = "auth"    // sign-in and sign-up, apart from the others
	Refresh = "refresh" // refreshing, so that a storm of it locks nobody out of signing in
	Address = "address" // a guard against floods, for all other operations
)

// Policies by who calls: the whole tenant, each user, and each user on one class
// of operations (x-rate-class of the OpenAPI document).
const (
	PerTenant = "tenant"
	PerUser   = "user"
	Read      = "read"
	Write     = "write"
	Export    = "export"
	Admin     = "admin"
)

// InFlight is the policy of how many requests of a tenant may be in flight at
// once. Its limit is a whole number: see [InFlightLimit].
const InFlight = "in_flight"

var (
	plans     = []string{"free", "standard", "premium"}
	addresses = []string{Public, Auth, Refresh, Address}
	callers   = []string{PerTenant, PerUser, Read, Write, Export, Admin}
)

// DefaultPlan is the plan of a tenant of which nothing is known.
const DefaultPlan = "standard"

// Plans lists the plans.
func Plans() []string { return slices.Clone(plans) }

// AddressPolicies lists the policies by address.
func AddressPolicies() []string { return slices.Clone(addresses) }

// CallerPolicies lists the rates by who calls. These differ by plan, and an
// override can replace them for a tenant or a user.
func CallerPolicies() []string { return slices.Clone(callers) }

// OverridePolicies lists the policies that an override can replace: those by who
// calls, and InFlight for a whole tenant.
func OverridePolicies() []string { return append(CallerPolicies(), InFlight) }
