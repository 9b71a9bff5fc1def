package api

import (
	"net/http"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
)

// permissions is the one table of routes: what a caller needs for each. A route
// that is not in it cannot be registered, and one that nobody registers is found
// by a test.
var permissions = map[string]access.Permission{
	"GET /healthz":          access.Public,
	"GET /readyz":           access.Public,
	"GET /metrics":          access.Public,      // figures of the fleet, no names; scraped without a login
	"GET /metrics/servers":  access.MetricsRead, // these name servers, accounts and whose they are
	"GET /metrics/accounts": access.MetricsRead,
	"GET /sd/prometheus":    access.MetricsRead,
	"GET /v1/openapi.json":  access.Public,
	"POST /v1/login":        access.Public,
	"POST /v1/logout":       access.Self,
	"GET /v1/whoami":        access.Self,

	"POST /v1/password/forgot": access.Public,
	"POST /v1/password/reset":  access.Public,

	"GET /v1/provider":                          access.UserManage,
	"PUT /v1/provider":                          access.UserManage,
	"GET /v1/oidc/login":                        access.Public,
	"GET /v1/oidc/callback":                     access.Public,
	"POST /v1/oidc/session":                     access.Public,
	"GET /v1/sessions":                          access.Self,
	"DELETE /v1/sessions/{id}":                  access.Self,
	"POST /v1/sessions/end-others":              access.Self,
	"GET /v1/second-factor":                     access.Self,
	"POST /v1/second-factor":                    access.Self,
	"POST /v1/second-factor/confirm":            access.Self,
	"POST /v1/second-factor/disable":            access.Self,
	"POST /v1/second-factor/recovery-codes":     access.Self,
	"POST /v1/users/{id}/second-factor/disable": access.UserManage,

	"GET /v1/about": access.Public,

	"GET /v1/servers":                        access.ServerRead,
	"GET /v1/servers/{id}":                   access.ServerRead,
	"GET /v1/servers/{id}/why":               access.ServerRead,
	"GET /v1/servers/{id}/diagnoses":         access.ServerRead,
	"GET /v1/servers/{id}/inspection":        access.ErasureRead, // what former owners left: no business of the present one
	"GET /v1/servers/{id}/provision":         access.ErasureRead, // the provider's machine
	"POST /v1/servers/{id}/node":             access.ServerWrite,
	"DELETE /v1/servers/{id}/node":           access.ServerWrite,
	"POST /v1/servers/{id}/left-overs/clear": access.ServerOverride,
	"GET /v1/servers/{id}/usage":             access.ServerRead,
	"GET /v1/servers/{id}/console":           access.ServerConsole,
	"PATCH /v1/servers/{id}":                 access.ServerWrite,
	"POST /v1/servers/{id}/approve":          access.ServerApprove,
	"POST /v1/servers/{id}/reject":           access.ServerApprove,
	"POST /v1/servers/{id}/commission":       access.ServerWrite,
	"POST /v1/servers/{id}/decommission":     access.ServerWrite,
	"PUT /v1/servers/{id}/maintenance":       access.ServerWrite,
	"DELETE /v1/servers/{id}/maintenance":    access.ServerWrite,
	"PUT /v1/servers/{id}/override":          access.ServerOverride,
	"DELETE /v1/servers/{id}/override":       access.ServerOverride,
	"DELETE /v1/servers/{id}/quarantine":     access.ServerApprove,
	"POST /v1/servers/{id}/move":             access.ServerWrite,
	"POST /v1/servers/{id}/retire":           access.ServerApprove,
	"POST /v1/servers/{id}/adopt":            access.ServerApprove,
	"POST /v1/servers/{id}/operations":       access.OperationRun,
	"POST /v1/servers/{id}/move-content":     access.PlacementWrite,

	"GET /v1/servers/{id}/bmc":      access.HandsRead,
	"PUT /v1/servers/{id}/bmc":      access.HandsWrite,
	"DELETE /v1/servers/{id}/bmc":   access.HandsWrite,
	"POST /v1/servers/{id}/bmc/pin": access.HandsWrite,
	"GET /v1/servers/{id}/ports":    access.HandsRead,
	"PUT /v1/servers/{id}/ports":    access.HandsWrite,
	"DELETE /v1/servers/{id}/ports": access.HandsWrite,

	"GET /v1/bmcs":             access.HandsRead,
	"GET /v1/switches":         access.HandsRead,
	"POST /v1/switches":        access.HandsWrite,
	"GET /v1/switches/{id}":    access.HandsRead,
	"PATCH /v1/switches/{id}":  access.HandsWrite,
	"DELETE /v1/switches/{id}": access.HandsWrite,

	"GET /v1/secrets":         access.SecretManage,
	"POST /v1/secrets/rotate": access.SecretManage,

	"POST /v1/servers/{id}/identity/confirm": access.ServerApprove,
	"POST /v1/servers/{id}/identity/reject":  access.ServerApprove,

	"GET /v1/orders":              access.OrderRead,
	"POST /v1/orders":             access.OrderPlace,
	"GET /v1/orders/{id}":         access.OrderRead,
	"POST /v1/orders/{id}/cancel": access.OrderCancel,

	"GET /v1/services":                  access.ServiceRead,
	"GET /v1/services/{id}":             access.ServiceRead,
	"POST /v1/services/{id}/stop":       access.ServiceMove,
	"POST /v1/services/{id}/resume":     access.ServiceMove,
	"POST /v1/services/{id}/delete":     access.ServiceMove,
	"POST /v1/services/{id}/rescue":     access.ServicePower,
	"POST /v1/services/{id}/end-rescue": access.ServicePower,
	"POST /v1/services/{id}/power":      access.ServicePower,

	"GET /v1/operations":              access.OperationRead,
	"GET /v1/operations/{id}":         access.OperationRead,
	"POST /v1/operations/{id}/cancel": access.OperationRun,
	"POST /v1/operations/{id}/retry":  access.OperationRun,
	"POST /v1/operations/{id}/skip":   access.OperationRun,

	"GET /v1/erasures":              access.ErasureRead,
	"GET /v1/erasures/{id}":         access.ErasureRead,
	"GET /v1/servers/{id}/erasures": access.ErasureRead,

	"GET /v1/tasks":                access.TaskRead,
	"POST /v1/tasks":               access.TaskWork,
	"GET /v1/tasks/{id}":           access.TaskRead,
	"PATCH /v1/tasks/{id}":         access.TaskWork,
	"POST /v1/tasks/{id}/comments": access.TaskWork,
	"POST /v1/tasks/{id}/assign":   access.TaskWork,
	"POST /v1/tasks/{id}/close":    access.TaskWork,

	"GET /v1/departments":      access.TaskRead,
	"GET /v1/departments/{id}": access.TaskRead,

	"PUT /v1/servers/{id}/roles": access.ServerWrite,

	"GET /v1/server-groups":         access.SetupRead,
	"POST /v1/server-groups":        access.SetupWrite,
	"GET /v1/server-groups/{id}":    access.SetupRead,
	"PATCH /v1/server-groups/{id}":  access.SetupWrite,
	"DELETE /v1/server-groups/{id}": access.SetupWrite,

	"GET /v1/server-pools":         access.SetupRead,
	"POST /v1/server-pools":        access.SetupWrite,
	"GET /v1/server-pools/{id}":    access.SetupRead,
	"PATCH /v1/server-pools/{id}":  access.SetupWrite,
	"DELETE /v1/server-pools/{id}": access.SetupWrite,

	"GET /v1/placements":             access.PlacementRead,
	"POST /v1/placements":            access.PlacementWrite,
	"GET /v1/placements/{id}":        access.PlacementRead,
	"DELETE /v1/placements/{id}":     access.PlacementWrite,
	"POST /v1/placements/{id}/state": access.PlacementWrite,

	"GET /v1/locations":         access.SetupRead,
	"POST /v1/locations":        access.SetupWrite,
	"GET /v1/locations/{id}":    access.SetupRead,
	"PATCH /v1/locations/{id}":  access.SetupWrite,
	"DELETE /v1/locations/{id}": access.SetupWrite,

	"GET /v1/pools":         access.SetupRead,
	"POST /v1/pools":        access.SetupWrite,
	"GET /v1/pools/{id}":    access.SetupRead,
	"PATCH /v1/pools/{id}":  access.SetupWrite,
	"DELETE /v1/pools/{id}": access.SetupWrite,

	"GET /v1/addresses":               access.ServiceRead,
	"GET /v1/addresses/{id}":          access.ServiceRead,
	"PATCH /v1/addresses/{id}":        access.AddressWrite,
	"DELETE /v1/addresses/{id}":       access.ServerWrite,
	"POST /v1/servers/{id}/addresses": access.ServerWrite,

	"GET /v1/modules":         access.SetupRead,
	"POST /v1/modules":        access.SetupWrite,
	"GET /v1/modules/{id}":    access.SetupRead,
	"PATCH /v1/modules/{id}":  access.SetupWrite,
	"DELETE /v1/modules/{id}": access.SetupWrite,

	"GET /v1/remotes":      access.SetupRead,
	"GET /v1/remotes/{id}": access.SetupRead,

	"GET /v1/tariffs":         access.TariffRead,
	"POST /v1/tariffs":        access.SetupWrite,
	"GET /v1/tariffs/{id}":    access.TariffRead,
	"PATCH /v1/tariffs/{id}":  access.SetupWrite,
	"DELETE /v1/tariffs/{id}": access.SetupWrite,

	"GET /v1/settings": access.SetupRead,
	"PUT /v1/settings": access.SetupWrite,

	"GET /v1/images":              access.ImageRead,
	"POST /v1/images":             access.ImageWrite,
	"GET /v1/images/{id}":         access.ImageRead,
	"POST /v1/images/{id}/retire": access.ImageWrite,

	"GET /v1/tokens":         access.TokenManage,
	"POST /v1/tokens":        access.TokenManage,
	"POST /v1/tokens/own":    access.Self,
	"GET /v1/tokens/{id}":    access.TokenManage,
	"DELETE /v1/tokens/{id}": access.TokenManage,

	"GET /v1/users":               access.PeopleManage,
	"POST /v1/users":              access.PeopleManage, // staff only with user.manage
	"GET /v1/users/{id}":          access.PeopleManage,
	"PATCH /v1/users/{id}":        access.PeopleManage,
	"POST /v1/users/{id}/disable": access.PeopleManage,
	"POST /v1/users/{id}/enable":  access.PeopleManage,
	"PUT /v1/users/{id}/password": access.PeopleManage,

	"GET /v1/usage/storage": access.AccountRead,
	"GET /v1/usage/traffic": access.AccountRead,

	"GET /v1/accounts":                          access.AccountRead,
	"POST /v1/accounts":                         access.AccountWrite,
	"GET /v1/accounts/{id}":                     access.AccountRead,
	"GET /v1/accounts/{id}/removal":             access.AccountRead,
	"GET /v1/accounts/{id}/usage":               access.AccountRead,
	"GET /v1/accounts/{id}/usage/quarter-hours": access.AccountRead,
	"POST /v1/accounts/{id}/remove":             access.AccountWrite,
	"POST /v1/accounts/{id}/retry":              access.AccountWrite,
	"PUT /v1/accounts/{id}/password":            access.AccountUse,
	"POST /v1/accounts/{id}/subdomains":         access.AccountUse,
	"DELETE /v1/accounts/{id}/subdomains":       access.AccountUse,
	"POST /v1/accounts/{id}/ftp-logins":         access.AccountUse,
	"PUT /v1/accounts/{id}/ftp-logins":          access.AccountUse,
	"DELETE /v1/accounts/{id}/ftp-logins":       access.AccountUse,
	"POST /v1/accounts/{id}/mailboxes":          access.AccountUse,
	"PUT /v1/accounts/{id}/mailboxes":           access.AccountUse,
	"DELETE /v1/accounts/{id}/mailboxes":        access.AccountUse,
	"PUT /v1/accounts/{id}/lists":               access.AccountUse,
	"DELETE /v1/accounts/{id}/lists":            access.AccountUse,
	"POST /v1/accounts/{id}/databases":          access.AccountUse,
	"DELETE /v1/accounts/{id}/databases":        access.AccountUse,
	"PUT /v1/accounts/{id}/database-password":   access.AccountUse,
	"GET /v1/forwards":                          access.AccountRead,
	"POST /v1/forwards":                         access.AccountWrite,
	"GET /v1/forwards/{id}":                     access.AccountRead,
	"PUT /v1/forwards/{id}/redirect":            access.AccountWrite,
	"POST /v1/forwards/{id}/remove":             access.AccountWrite,

	"GET /v1/customers":               access.CustomerRead,
	"POST /v1/customers":              access.CustomerManage,
	"GET /v1/customers/{id}":          access.CustomerRead,
	"PATCH /v1/customers/{id}":        access.CustomerManage,
	"POST /v1/customers/{id}/disable": access.CustomerManage,
	"POST /v1/customers/{id}/enable":  access.CustomerManage,

	"GET /v1/sales":                access.SaleRead,
	"POST /v1/sales":               access.SaleMake,
	"GET /v1/sales/{id}":           access.SaleRead,
	"POST /v1/sales/{id}/revoke":   access.SaleMake,
	"POST /v1/sales/{id}/continue": access.SaleMake,
	"POST /v1/sales/{id}/cancel":   access.SaleMake,

	"GET /v1/webhooks":                   access.NotifyManage,
	"POST /v1/webhooks":                  access.NotifyManage,
	"GET /v1/webhooks/{id}":              access.NotifyManage,
	"PATCH /v1/webhooks/{id}":            access.NotifyManage,
	"DELETE /v1/webhooks/{id}":           access.NotifyManage,
	"POST /v1/webhooks/{id}/rotate":      access.NotifyManage,
	"POST /v1/webhooks/{id}/test":        access.NotifyManage,
	"GET /v1/mail":                       access.NotifyManage,
	"PUT /v1/mail":                       access.NotifyManage,
	"POST /v1/mail/test":                 access.NotifyManage,
	"GET /v1/mail-routes":                access.NotifyManage,
	"POST /v1/mail-routes":               access.NotifyManage,
	"GET /v1/mail-routes/{id}":           access.NotifyManage,
	"PATCH /v1/mail-routes/{id}":         access.NotifyManage,
	"DELETE /v1/mail-routes/{id}":        access.NotifyManage,
	"GET /v1/deliveries":                 access.NotifyManage,
	"GET /v1/deliveries/{id}":            access.NotifyManage,
	"POST /v1/deliveries/{id}/redeliver": access.NotifyManage,

	"GET /v1/resellers":                     access.ResellerRead,
	"POST /v1/resellers":                    access.ResellerManage,
	"GET /v1/resellers/{id}":                access.ResellerRead,
	"PATCH /v1/resellers/{id}":              access.ResellerManage,
	"POST /v1/resellers/{id}/disable":       access.ResellerManage,
	"POST /v1/resellers/{id}/suspend":       access.ResellerManage,
	"POST /v1/resellers/{id}/activate":      access.ResellerManage,
	"POST /v1/resellers/{id}/unset":         access.ResellerManage,
	"GET /v1/resellers/{id}/standing":       access.ResellerRead,
	"GET /v1/reseller-plans":                access.PlanRead,
	"POST /v1/reseller-plans/{id}/preview":  access.PlanManage,
	"POST /v1/reseller-plans":               access.PlanManage,
	"GET /v1/reseller-plans/{id}":           access.PlanRead,
	"PATCH /v1/reseller-plans/{id}":         access.PlanManage,
	"DELETE /v1/reseller-plans/{id}":        access.PlanManage,
	"POST /v1/reseller-plans/{id}/assign":   access.PlanManage,
	"POST /v1/reseller-plans/{id}/unassign": access.PlanManage,
	"GET /v1/signups":                       access.PlanRead,
	"POST /v1/signups":                      access.SignUpMake,
	"GET /v1/signups/{id}":                  access.PlanRead,
	"POST /v1/signups/{id}/cancel":          access.SignUpMake,
	"POST /v1/signups/{id}/refuse":          access.PlanManage,
	"POST /v1/signups/{id}/hold":            access.PlanManage,
	"POST /v1/signups/{id}/resume":          access.PlanManage,

	"GET /v1/offers":               access.OfferRead,
	"POST /v1/offers":              access.OfferManage,
	"GET /v1/offers/{id}":          access.OfferRead,
	"PATCH /v1/offers/{id}":        access.OfferManage,
	"DELETE /v1/offers/{id}":       access.OfferManage,
	"POST /v1/offers/{id}/preview": access.OfferManage,
	"POST /v1/offers/{id}/replace": access.OfferManage,
	"POST /v1/offers/{id}/retire":  access.OfferManage,
	"POST /v1/offers/{id}/resume":  access.OfferManage,
	"GET /v1/account-defaults":     access.OfferRead,
	"PUT /v1/account-defaults":     access.OfferManage,

	"GET /v1/subscriptions":                 access.SubscriptionRead,
	"POST /v1/subscriptions":                access.SubscriptionManage,
	"GET /v1/subscriptions/{id}":            access.SubscriptionRead,
	"PATCH /v1/subscriptions/{id}":          access.SubscriptionManage,
	"DELETE /v1/subscriptions/{id}":         access.SubscriptionManage,
	"GET /v1/subscriptions/{id}/standing":   access.SubscriptionRead,
	"POST /v1/subscriptions/{id}/choose":    access.SubscriptionChoose,
	"POST /v1/subscriptions/{id}/sync":      access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/take":      access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/unlock":    access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/detach":    access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/suspend":   access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/unsuspend": access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/set":       access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/unset":     access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/switch":    access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/give":      access.SubscriptionManage,
	"POST /v1/subscriptions/{id}/drop":      access.SubscriptionManage,

	"GET /v1/audit":      access.AuditRead,
	"GET /v1/audit/{id}": access.AuditRead,

	"GET /v1/events":             access.EventRead,
	"GET /v1/catalogue":          access.MatchAsk,
	"POST /v1/catalogue/refresh": access.SetupWrite,
	"POST /v1/match":             access.MatchAsk,
}

// reading is the permission that shows records of a table; /v1/events asks it for
// each event.
var reading = map[string]access.Permission{
	"servers": access.ServerRead, "orders": access.OrderRead, "services": access.ServiceRead,
	"operations": access.OperationRead, "erasures": access.ErasureRead, "tasks": access.TaskRead, "departments": access.TaskRead, "locations": access.SetupRead,
	"modules": access.SetupRead, "remotes": access.SetupRead, "tariffs": access.TariffRead, "images": access.ImageRead,
	"tokens": access.TokenManage, "users": access.PeopleManage, "customers": access.CustomerRead, "accounts": access.AccountRead, "forwards": access.AccountRead, "audit": access.AuditRead,
	"resellers": access.ResellerRead, "reseller-plans": access.PlanRead, "signups": access.PlanRead,
	"bmcs": access.HandsRead, "switches": access.HandsRead,
	"pools": access.SetupRead, "addresses": access.ServiceRead,
	"sales":         access.SaleRead,
	"server-groups": access.SetupRead, "server-pools": access.SetupRead, "placements": access.PlacementRead,
	"offers": access.OfferRead, "subscriptions": access.SubscriptionRead,
	"webhooks": access.NotifyManage, "mail-routes": access.NotifyManage, "deliveries": access.NotifyManage,
}

// methods that a path may have; the fallback tells which one has.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// split takes "GET /v1/x" apart.
func split(name string) (method, path string) {
	method, path, _ = strings.Cut(name, " ")
	return method, path
}
