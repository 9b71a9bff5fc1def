package api

import (
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
)

// viewOf is what the API shows of a record.
func viewOf(value any, rev int64) any {
	switch v := value.(type) {
	case *fleet.Location:
		return &Location{*v, rev}
	case *address.Pool:
		p := poolView(v, 0, 0, rev) // as it was made; the sheet shows what is used
		return &p
	case *address.Address:
		return &Address{*v, rev}
	case *order.Module:
		return &Module{*v, rev}
	case *order.Remote:
		r := remoteView(v, rev)
		return &r
	case *order.Tariff:
		return &Tariff{*v, rev}
	case *order.Order:
		return &Order{*v, rev}
	case *order.Service:
		return &Service{*v, rev}
	case *operation.Operation:
		return &Operation{*v, rev}
	case *erase.Erasure:
		e := erasureView(v, rev)
		return &e
	case *task.Task:
		return &Task{*v, rev}
	case *image.Image:
		return &Image{*v, rev}
	case *access.Token:
		t := tokenView(v, rev)
		return &t
	case *access.User:
		u := userView(v, rev)
		return &u
	case *access.Audit:
		return &AuditLine{*v, rev}
	case *outofband.BMC:
		b := bmcView(v, rev)
		return &b
	case *outofband.Switch:
		s := switchView(v, rev)
		return &s
	case *reselling.Reseller:
		return &Reseller{*v, rev}
	case *reselling.Plan:
		return &ResellerPlan{*v, rev}
	case *reselling.SignUp:
		return &SignUp{*v, rev}
	case *reselling.ServerGroup:
		return &ServerGroup{*v, rev}
	case *reselling.Pool:
		return &ServerPool{*v, rev}
	case *hosting.Placement:
		return &Placement{*v, rev}
	case *notify.Webhook:
		w := webhookView(v, rev)
		return &w
	case *notify.Route:
		return &MailRoute{*v, rev}
	case *notify.Delivery:
		return &Delivery{*v, rev}
	case *account.Account:
		a := accountView(v, rev)
		return &a
	case *account.Forward:
		return &Forward{*v, v.Domain, rev}
	case *reselling.Customer:
		return &Customer{*v, rev}
	case *plan.Offer:
		return &Offer{*v, 0, rev}
	case *offering:
		o := v.view(rev)
		return &o
	case *subscription.Subscription:
		return &Subscription{*v, v.Title(), rev}
	}
	return nil
}

func renderRecord(r *row) []byte { return render(viewOf(r.value, r.rev)) }

// searchRecord is what q looks at.
func searchRecord(id string, value any) string {
	var more string
	switch v := value.(type) {
	case *fleet.Location:
		more = v.Name + "\n" + v.ExternalID
	case *address.Pool:
		more = searchPool(v)
	case *address.Address:
		more = searchAddress(v)
	case *order.Module:
		more = v.Name
	case *order.Tariff:
		more = v.Name
	case *order.Order:
		more = v.Customer + "\n" + v.Hostname + "\n" + v.Server + "\n" + v.Reference
	case *order.Service:
		more = v.Customer + "\n" + v.Hostname + "\n" + v.Server
	case *operation.Operation:
		more = v.Server + "\n" + v.Message
	case *erase.Erasure:
		more = v.Server + "\n" + v.Serial + "\n" + v.WWN + "\n" + v.Model
	case *task.Task:
		more = v.Subject + "\n" + v.Server
	case *image.Image:
		more = v.Name
	case *access.Token:
		more = v.Name
	case *access.User:
		more = v.Name
	case *outofband.BMC:
		more = v.Address + "\n" + v.MAC
	case *outofband.Switch:
		more = v.Name + "\n" + v.Address
	case *reselling.Reseller:
		more = v.Name + "\n" + v.Company + "\n" + v.Email
	case *reselling.Plan:
		more = v.Name
	case *reselling.SignUp:
		more = v.Plan + "\n" + v.Reseller + "\n" + v.Email + "\n" + v.Server
	case *reselling.ServerGroup:
		more = v.Name
	case *reselling.Pool:
		more = v.Name
	case *hosting.Placement:
		more = v.Name + "\n" + strings.Join(v.Domains, "\n")
	case *notify.Webhook:
		more = v.Name + "\n" + v.URL
	case *notify.Route:
		more = v.Name + "\n" + strings.Join(v.To, "\n")
	case *notify.Delivery:
		more = v.To + "\n" + v.Event.ID + "\n" + v.Event.Type + "\n" + v.Event.Data.ID + "\n" + v.Event.Data.ServerName
	case *account.Account:
		more = v.Domain + "\n" + v.User + "\n" + strings.Join(v.Subdomains, "\n")
	case *account.Forward:
		more = v.Domain
	case *reselling.Customer:
		more = v.Name + "\n" + v.Company + "\n" + v.Email + "\n" + v.Reference
	case *offering:
		more = v.offer.Name
	case *subscription.Subscription:
		more = v.Title() + "\n" + v.Customer
	case *access.Audit:
		more = v.Action + "\n" + v.Object + "\n" + v.Actor.Name + "\n" + v.Request
	}
	return strings.ToLower(id + "\n" + more)
}
