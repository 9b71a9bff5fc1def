package store

import (
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/protocol"
)

// The tables of the fleet. The first argument is the key prefix in etcd and the
// collection's name in the API, the second the word for one record.
var (
	Servers   = NewTable[fleet.Server]("servers", "server").Index(ServersTaken, fleet.TakenBy)
	Facts     = NewTable[fleet.Facts]("facts", "facts of server")
	Diagnoses = NewTable[fleet.Diagnoses]("diagnoses", "diagnoses of server")
	// Inspections has the last one of each server, Baselines that by which a hosting node is judged (rule S9).
	Inspections = NewTable[fleet.Inspection]("inspections", "inspection of server")
	Baselines   = NewTable[fleet.Inspection]("baselines", "baseline of server")
	Presences   = NewTable[fleet.Presence]("presence", "presence of server")
	Replicas    = NewTable[fleet.Replica]("replicas", "replica")
	Identities  = NewTable[Holders]("identities", "identity")
	Aliases     = NewTable[Alias]("aliases", "former id")
	Locations   = NewTable[fleet.Location]("locations", "location")
	Modules     = NewTable[order.Module]("modules", "module")
	Remotes     = NewTable[order.Remote]("remotes", "connection of module")
	Tariffs     = NewTable[order.Tariff]("tariffs", "tariff")
	Orders      = NewTable[order.Order]("orders", "order")
	UserData    = NewTable[order.UserData]("user-data", "user data of order")
	Services    = NewTable[order.Service]("services", "service").Tell(notify.OfService)
	Operations  = NewTable[operation.Operation]("operations", "operation").Tell(notify.OfOperation)
	Commands    = NewTable[operation.Command]("commands", "command")
	Results     = NewTable[protocol.Result]("results", "result")
	Erasures    = NewTable[erase.Erasure]("erasures", "erasure")
	Tasks       = NewTable[task.Task]("tasks", "task").Tell(notify.OfTask)
	TaskKeys    = NewTable[TaskKey]("task-keys", "open task for")
	Images      = NewTable[image.Image]("images", "image")
	Users       = NewTable[access.User]("users", "user")
	Tokens      = NewTable[access.Token]("tokens", "token")
	Boots       = NewTable[Boot]("boots", "boot of")
	Audit       = NewTable[access.Audit]("audit", "audit line")
	Settings    = NewTable[FleetSetting]("settings", "setting")

	BMCs         = NewTable[outofband.BMC]("bmcs", "management controller of server")
	Switches     = NewTable[outofband.Switch]("switches", "switch")
	Wirings      = NewTable[outofband.Wiring]("wirings", "wiring of server")
	Observations = NewTable[outofband.Observation]("observations", "observation of server")

	Pools     = NewTable[address.Pool]("pools", "pool")
	Atlases   = NewTable[address.Atlas]("pool-atlas", "list of pools of the")
	Addresses = NewTable[address.Address]("addresses", "address").Index(AddressOrder, address.OrderKey).Index(AddressRest, address.RestingKey)
	Holdings  = NewTable[address.Holding]("holdings", "addresses of server")
	Traffic   = NewTable[outofband.Traffic]("traffic", "traffic of server")
)

// Resellers and what they have.
var (
	Resellers = NewTable[reselling.Reseller]("resellers", "reseller").Index(ResellersTo, func(r *reselling.Reseller) []string { return []string{r.Plan} }).
			Index(ResellersShort, func(r *reselling.Reseller) []string {
			if len(r.Short) == 0 {
				return nil
			}
			return []string{r.Parent}
		})
	// Retails is what the customers of each reseller have, by reseller.
	Retails   = NewTable[reselling.Retail]("reseller-retail", "what was sold by reseller")
	Customers = NewTable[reselling.Customer]("customers", "customer")
	Sales     = NewTable[reselling.Sale]("sales", "sale").Tell(notify.OfSale)
	SalesOf   = NewTable[SaleOf]("sale-of", "sale of server")

	ServerGroups = NewTable[reselling.ServerGroup]("server-groups", "server group")
	ServerPools  = NewTable[reselling.Pool]("server-pools", "server pool")
)

// ResellersTo is the index of Resellers by plan, ResellersShort by the one above, of those who did not get what their plan says.
const (
	ResellersTo    = "to"
	ResellersShort = "short"
)

// TheProvider is the id of the one provider.
const TheProvider = "fleet"

// Providers holds the one through whom people may log in.
var Providers = NewTable[access.Provider]("provider", "provider of")

// SecondFactors are by user.
var SecondFactors = NewTable[access.SecondFactor]("second-factors", "second factor of user")

// What resellers sign up for, and which servers come with it. Allotments are by plan.
var (
	ResellerPlans = NewTable[reselling.Plan]("reseller-plans", "plan")
	Allotments    = NewTable[reselling.Allotment]("allotments", "servers of plan")
	SignUps       = NewTable[reselling.SignUp]("signups", "sign-up")
)

// What customers have on servers. Loads are by server.
var (
	Placements = NewTable[hosting.Placement]("placements", "placement").Index(PlacementsOn, func(p *hosting.Placement) []string { return []string{p.Server} })
	Loads      = NewTable[hosting.Load]("loads", "load of server")
)

// What resellers sell, and who bought it. OfferUses are by offer, AccountDefaults by the id of the reseller ("provider" for the provider's own).
var (
	Offers          = NewTable[plan.Offer]("offers", "offer")
	OfferUses       = NewTable[OfferUse]("offer-uses", "uses of offer")
	AccountDefaults = NewTable[plan.Defaults]("account-defaults", "account defaults of")
	Subscriptions   = NewTable[subscription.Subscription]("subscriptions", "subscription").
			Index(SubscriptionsTo, (*subscription.Subscription).Offers).Index(SubscriptionsOn, func(s *subscription.Subscription) []string { return []string{s.Server} }).
			Index(SubscriptionsHeld, func(s *subscription.Subscription) []string {
			if len(s.Held) == 0 {
				return nil
			}
			return []string{reselling.Own(s.Reseller)}
		})
	// SubscriptionUses is how much there is of what each subscription limits; whoever counts mailboxes, disk space and the like writes it.
	SubscriptionUses = NewTable[subscription.Use]("subscription-uses", "use of subscription")
)

// SubscriptionsTo is the index of Subscriptions by offer, of the plan and of each add-on; SubscriptionsOn that by server;
// SubscriptionsHeld is by the id of the reseller, of those that an edition of an offer waits for.
const (
	SubscriptionsHeld = "held"
	SubscriptionsTo   = "to"
	SubscriptionsOn   = "on"
)

// OfferUse is how many subscriptions have an offer (rule C7). Each commit that gives or takes one writes it, so that the last one that goes and
// the offer's removal meet in it.
type OfferUse struct {
	Subscriptions uint64 `json:"subscriptions"`
}

// What customers have on hosting nodes. An account, or a forward, has a placement with the same id.
var (
	Accounts = NewTable[account.Account]("accounts", "account").Index(AccountsOn, func(a *account.Account) []string { return []string{a.Server} }).
			Index(AccountsOf, func(a *account.Account) []string { return []string{a.Subscription} }).Tell(notify.OfAccount)
	Forwards = NewTable[account.Forward]("forwards", "forward")
)

// AccountsOn is the index of Accounts by server, AccountsOf by subscription, of which there is one for each account.
const (
	AccountsOn = "on"
	AccountsOf = "of"
)

// What nodes are told of accounts, and what they say: Hosted and HostedResults are by account, Provisions by server.
var (
	Hosted        = NewTable[hosting.Document]("hosted", "document of account").Index(HostedOn, func(d *hosting.Document) []string { return []string{d.Server} })
	HostedResults = NewTable[hosting.Outcome]("hosted-results", "result of account")
	Provisions    = NewTable[hosting.Provision]("provisions", "provision of server")
)

// What accounts used. Usage is by month, server and book of counts; see UsageKey. UsageSpace is by server. FormerAccounts are by the id that the account had.
var (
	Usage      = NewTable[usage.Record]("usage", "usage").Index(UsageOn, func(r *usage.Record) []string { return []string{r.Server} })
	UsageSpace = NewTable[usage.SpaceRecord]("usage-space", "disk space of accounts of server")
	// ServerUsage is what went through the interfaces of servers, by server and month; see ServerUsageKey.
	ServerUsage = NewTable[usage.ServerRecord]("usage-servers", "traffic of server in a month")
	// FormerAccounts tell whose the figures of accounts are that are gone (rule C21). They are written in the commit in which an account goes, and stay.
	FormerAccounts = NewTable[usage.Former]("former-accounts", "former account").Index(FormerOn, func(f *usage.Former) []string { return []string{f.Server} })
)

// UsageOn is the index of Usage by server, FormerOn that of FormerAccounts.
const (
	UsageOn  = "on"
	FormerOn = "on"
)

// SaleOf names the sale that a server is in (rule S2).
type SaleOf struct {
	Sale string `json:"sale"`
}

// PlacementsOn and HostedOn are the indexes of Placements and Hosted by server, ServersTaken that of Servers by the path of the reseller who has them by plan.
const (
	PlacementsOn = "on"
	HostedOn     = "on"
	ServersTaken = "taken"
)

// Indexes of Addresses; see package address.
const (
	AddressOrder = "order" // all of a pool, sorted by number
	AddressRest  = "rest"  // its resting ones, sorted by when they are free
)

// FleetAtlas is the id of the one record of Atlases.
const FleetAtlas = "fleet"

// Holders are the servers that have one part of an identity. More than one is a
// conflict (rule X1).
type Holders struct {
	Servers []string `json:"servers"`
}

// Alias says which server the holder of a certificate with another id is: the machine came
// in as a new one and a person said which one it is.
type Alias struct {
	Server string `json:"server"`
}

// Boot names the newest boot token of a server ("server:<id>") or of a network card ("mac:<address>").
type Boot struct {
	Token string `json:"token"`
}

// TaskKey names the open task with a dedupe key (rule X6).
type TaskKey struct {
	Task string `json:"task"`
}

// TheMailServer is the id of the one mail server.
const TheMailServer = "fleet"

// FleetSettings is the id of the one record of settings.
const FleetSettings = "fleet"

// FleetSetting is what holds for the whole fleet.
type FleetSetting struct {
	RequireConfirmedEmail bool `json:"require_confirmed_email"` // rule B5
	WebhookPrivateTargets bool `json:"webhook_private_targets"` // webhooks may go to private and loopback addresses
	// RemotePrivateTargets lets remote modules go to private and loopback addresses (rule B6).
	RemotePrivateTargets bool `json:"remote_private_targets,omitempty"`
	// PublicURL is the address at which people reach this controller, for links in letters; "" is that of the mail server's settings.
	PublicURL string `json:"public_url,omitempty"`
	// RequireSecondFactor keeps the provider's people from everything but setting one up.
	RequireSecondFactor bool `json:"require_second_factor,omitempty"`
	// TimeZone is by which months begin (rule U7), a name of the IANA's; "" is UTC. TimeZoneChanges is how often it was changed.
	TimeZone        string `json:"time_zone,omitempty"`
	TimeZoneChanges uint64 `json:"time_zone_changes,omitempty"`
}

// UsageKey is the id of a record of usage: that of one month, server and book of counts, and of one of the pages that it has where a node has very many accounts.
func UsageKey(month, server, book string, page int) string {
	return month + "/" + server + "/" + book + "/" + strconv.Itoa(page)
}

// UsageOfKey is what UsageKey was made of.
func UsageOfKey(id string) (month, server, book string, page int) {
	month, rest, _ := strings.Cut(id, "/")
	server, rest, _ = strings.Cut(rest, "/")
	book, last, _ := strings.Cut(rest, "/")
	page, _ = strconv.Atoi(last)
	return month, server, book, page
}

// ServerUsageKey is the id of a record of ServerUsage.
func ServerUsageKey(server, month string) string { return server + "/" + month }

// CommandKey is the key of a command, and of its result.
func CommandKey(server, command string) string { return server + "/" + command }
