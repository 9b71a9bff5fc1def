package access

import "slices"

// Permission is one thing that a role may do. Every route of the API carries one.
type Permission string

// Permissions. Public needs no login; Self is what everybody who logged in may do.
const (
	Public             Permission = "public"
	Self               Permission = "self"
	ServerRead         Permission = "server.read"
	ServerWrite        Permission = "server.write"    // rename, move, maintenance, commission
	ServerApprove      Permission = "server.approve"  // let a machine in, or not; say which one it is; retire it
	ServerOverride     Permission = "server.override" // rule B24
	ServerConsole      Permission = "server.console"  // a shell in the RAM environment; audited
	OperationRead      Permission = "operation.read"
	OperationRun       Permission = "operation.run" // start, cancel, retry, skip
	OrderRead          Permission = "order.read"
	OrderPlace         Permission = "order.place"
	OrderConfigure     Permission = "order.configure" // by configuration instead of tariff
	OrderCancel        Permission = "order.cancel"
	ServiceRead        Permission = "service.read"
	ServiceMove        Permission = "service.move"  // stop, resume, delete
	ServicePower       Permission = "service.power" // turn its server on and off
	AddressWrite       Permission = "address.write" // names of addresses, his own for a customer
	TaskRead           Permission = "task.read"
	TaskWork           Permission = "task.work"    // comment, assign, close
	SetupRead          Permission = "setup.read"   // locations, modules, IP pools
	SetupWrite         Permission = "setup.write"  // locations, modules, IP pools, tariffs
	TariffRead         Permission = "tariff.read"  // what is sold
	ImageRead          Permission = "image.read"   // what can be installed
	ImageWrite         Permission = "image.write"  // upload, retire
	MatchAsk           Permission = "match.ask"    // stock, and what would be chosen
	EventRead          Permission = "event.read"   // only events of what may be read
	AuditRead          Permission = "audit.read"   // rule X8
	TokenManage        Permission = "token.manage" // API and join tokens
	UserManage         Permission = "user.manage"
	PeopleManage       Permission = "people.manage" // users; his own and his customers', for a reseller
	HandsRead          Permission = "hands.read"    // management controllers, switches and ports
	HandsWrite         Permission = "hands.write"   // set them up; their passwords are never shown
	SecretManage       Permission = "secret.manage" // rotate the keys that seal secrets (X9)
	NotifyManage       Permission = "notify.manage" // webhooks, mail, deliveries
	ErasureRead        Permission = "erasure.read"  // proofs of erasure
	ResellerRead       Permission = "reseller.read" // himself and those below him, for a reseller
	ResellerManage     Permission = "reseller.manage"
	CustomerRead       Permission = "customer.read"       // organizations; his own, for a reseller
	CustomerManage     Permission = "customer.manage"     // his own, for a reseller
	SaleRead           Permission = "sale.read"           // his own, for a reseller
	SaleMake           Permission = "sale.make"           // sell and take back (S1); what he was sold, to those below him, for a reseller
	PlanRead           Permission = "plan.read"           // reseller plans, and who signed up for them
	PlanManage         Permission = "plan.manage"         // make plans, assign servers to them (H9)
	SignUpMake         Permission = "signup.make"         // sign a reseller up for a plan: what a billing program does
	PlacementRead      Permission = "placement.read"      // what customers have on servers; his own, for a reseller
	PlacementWrite     Permission = "placement.write"     // register what a panel made elsewhere
	OfferRead          Permission = "offer.read"          // what is sold to customers; his own, for a reseller
	OfferManage        Permission = "offer.manage"        // plans, add-ons and account defaults; his own, for a reseller
	SubscriptionRead   Permission = "subscription.read"   // his own, for a reseller and a customer
	SubscriptionManage Permission = "subscription.manage" // his own, for a reseller
	SubscriptionChoose Permission = "subscription.choose" // what the plan lets the subscriber change (P11)
	AccountRead        Permission = "account.read"        // accounts and forwards on hosting nodes; his own, for a reseller or a customer
	AccountUse         Permission = "account.use"         // mailboxes, databases, FTP logins, passwords of accounts
	AccountWrite       Permission = "account.write"       // make and remove accounts and forwards; his own, for a reseller
	MetricsRead        Permission = "metrics.read"        // figures of each server and account, as a monitoring program reads them
	PeopleAct          Permission = "people.act"          // act for a reseller or a customer (S11); for his customers, for a reseller
)

// everything lists all permissions that need a login.
var everything = []Permission{
	Self, ServerRead, ServerWrite, ServerApprove, ServerOverride, ServerConsole, OperationRead, OperationRun,
	OrderRead, OrderPlace, OrderConfigure, OrderCancel, ServiceRead, ServiceMove, ServicePower, AddressWrite, TaskRead, TaskWork, SetupRead, SetupWrite,
	TariffRead, ImageRead, ImageWrite, MatchAsk, EventRead, AuditRead, TokenManage, UserManage, PeopleManage,
	HandsRead, HandsWrite, SecretManage,
	NotifyManage, ErasureRead, ResellerRead, ResellerManage, CustomerRead, CustomerManage, SaleRead, SaleMake,
	PlanRead, PlanManage, SignUpMake, PlacementRead, PlacementWrite, PeopleAct,
	OfferRead, OfferManage, SubscriptionRead, SubscriptionManage, SubscriptionChoose,
	AccountRead, AccountUse, AccountWrite,
	MetricsRead,
}

// granted is the one table of roles (rule X7).
var granted = map[Role][]Permission{
	RoleAdmin:   everything,
	RoleSystems: without(everything, TokenManage, UserManage, PeopleManage, SecretManage, ServerConsole),
	RoleOperations: {
		Self, ServerRead, ServerWrite, ServerApprove, ServerOverride, ServerConsole, OperationRead, OperationRun,
		OrderRead, OrderPlace, OrderConfigure, OrderCancel, ServiceRead, ServiceMove, ServicePower, AddressWrite, TaskRead, TaskWork, SetupRead,
		TariffRead, ImageRead, MatchAsk, EventRead, AuditRead, HandsRead, HandsWrite,
		ErasureRead, ResellerRead, ResellerManage, CustomerRead, CustomerManage, SaleRead, SaleMake,
		PlanRead, PlanManage, SignUpMake, PlacementRead, PlacementWrite, PeopleAct,
		OfferRead, OfferManage, SubscriptionRead, SubscriptionManage, SubscriptionChoose,
		AccountRead, AccountUse, AccountWrite,
		MetricsRead,
	},
	RoleMarketing: {
		Self, ServerRead, OperationRead, OrderRead, ServiceRead, SetupRead, TariffRead, ImageRead, MatchAsk, EventRead,
		ErasureRead, ResellerRead, CustomerRead, SaleRead, PlanRead, PlacementRead,
		OfferRead, SubscriptionRead, AccountRead,
	},
	RoleDepartment: {Self, ServerRead, ErasureRead, OperationRead, TaskRead, TaskWork, EventRead},
	RoleReseller: {
		Self, TariffRead, ImageRead, EventRead, ServerRead, ResellerRead, ResellerManage, CustomerRead, CustomerManage, SaleRead, SaleMake, PlacementRead,
		PeopleManage, PeopleAct,
		OfferRead, OfferManage, SubscriptionRead, SubscriptionManage, SubscriptionChoose,
		AccountRead, AccountUse, AccountWrite,
	},
	RoleCustomer: {Self, OrderRead, OrderPlace, OrderCancel, ServiceRead, ServicePower, AddressWrite, TariffRead, ImageRead, EventRead, SubscriptionRead, SubscriptionChoose, AccountRead, AccountUse},
}

func without(list []Permission, drop ...Permission) []Permission {
	return slices.DeleteFunc(slices.Clone(list), func(p Permission) bool { return slices.Contains(drop, p) })
}

// Allowed reports whether the role has the permission. Public is everybody's; an
// unknown role has nothing else.
func Allowed(r Role, p Permission) bool {
	return p == Public || slices.Contains(granted[r], p)
}

// Roles lists all roles, the most powerful first.
func Roles() []Role {
	return []Role{RoleAdmin, RoleSystems, RoleOperations, RoleMarketing, RoleDepartment, RoleReseller, RoleCustomer}
}

// Permissions lists what a role may do, in the order of this package.
func Permissions(r Role) []Permission { return slices.Clone(granted[r]) }

// Known reports whether r is a role.
func (r Role) Known() bool { return granted[r] != nil }

// IsStaff reports whether r is one of [Staff].
func (r Role) IsStaff() bool { return slices.Contains(Staff(), r) }

// Staff lists the roles of the provider's own people.
func Staff() []Role {
	return []Role{RoleAdmin, RoleSystems, RoleOperations, RoleMarketing, RoleDepartment}
}
