package intake

import (
	"fmt"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
)

// tellOveruse posts the letters about limits that a subscription has reached: one to its customer and one to its reseller, in the commit that notes that
// they were told (rule P18). Whoever has no address is not told; staff see it in the list of subscriptions.
func tellOveruse(tx *store.Tx, s *subscription.Subscription, reached []subscription.Over, now time.Time) error {
	if len(reached) == 0 {
		return nil
	}
	customer, err := addressOfCustomer(tx, s)
	if err != nil {
		return err
	}
	seller, _, err := store.Resellers.Find(tx, reselling.Own(s.Reseller))
	if err != nil {
		return err
	}
	subject := s.Name + " has reached a limit"
	if notify.IsAddress(customer) {
		l := Letter{To: customer, Subject: subject, Body: "Your account " + s.Title() + " has reached a limit.\n\n" + overuseText(s, reached) + "\n" + whatToDo(s)}
		if err := Post(tx, l, now); err != nil {
			return err
		}
	}
	if !notify.IsAddress(seller.Email) || seller.Email == customer {
		return nil
	}
	return Post(tx, Letter{To: seller.Email, Subject: subject, Body: "The account " + s.Title() + " of a customer of yours has reached a limit.\n\n" + overuseText(s, reached) +
		"\nMore than its plan has: steelyard subscription give, or switch. What holds for it now: steelyard subscription standing " + s.ID + "\n"}, now)
}

// addressOfCustomer is that of the customer, or of the console user where an account has no customer; "" none.
func addressOfCustomer(tx *store.Tx, s *subscription.Subscription) (string, error) {
	look := &lookup{tx: tx}
	c, known := look.Customer(s.Customer)
	if !known {
		c, known = look.CustomerOf(s.Customer) // accounts have the id, services what orders say
	}
	if look.err != nil || known {
		return c.Email, look.err
	}
	for item := range store.Accounts.Lookup(tx.Hint(), store.AccountsOf, s.ID) {
		u, known, err := consoleUser(tx, item.ID)
		if err != nil || known {
			return u.Email, err
		}
	}
	return "", nil
}

// overuseText tells each limit with its figure.
func overuseText(s *subscription.Subscription, reached []subscription.Over) string {
	var b strings.Builder
	for _, o := range reached {
		switch o.Property {
		case plan.DiskMiB:
			fmt.Fprintf(&b, "- Disk space: %d MiB are used, the limit is %s MiB.\n", o.Used, o.Limit)
		default:
			fmt.Fprintf(&b, "- Traffic: %d MiB were transferred in this month, the limit is %s MiB a month.\n", o.Used, o.Limit)
		}
	}
	b.WriteString("\n")
	if plan.Stops(s.Values.Of(plan.Overuse).Choice) && reached[0].Property == plan.DiskMiB {
		b.WriteString("Nothing more can be stored: uploads and new mail are refused. What is there stays, and can be read and deleted.\n")
	} else {
		b.WriteString("Nothing is switched off because of it.\n")
	}
	return b.String()
}

func whatToDo(s *subscription.Subscription) string {
	ask := "the provider"
	if s.Reseller != "" {
		ask = "who sold it to you"
	}
	return "Delete what is not needed any more, files, mail or databases, or ask " + ask + " for a larger plan. Traffic is counted anew with each month.\n"
}
