package reselling

import (
	"net/mail"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Customer is an organization that has something at the provider, or at a reseller.
type Customer struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"` // unique among those of one reseller, without regard to case
	Company   string    `json:"company,omitempty"`
	Email     string    `json:"email"`
	Reference string    `json:"reference"`          // what orders, services and addresses call the customer; unique; fixed for ever
	Reseller  string    `json:"reseller,omitempty"` // path of the reseller whose it is; "" is the provider's own; fixed for ever
	State     string    `json:"state" enum:"active,disabled"`
	CreatedAt time.Time `json:"created_at"`
}

// Check records what is wrong with what a person says of a customer.
func (c *Customer) Check(check *fault.Check) {
	order.CheckName(check, "name", c.Name)
	if c.Company != "" {
		order.CheckName(check, "company", c.Company)
	}
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email || len(c.Email) > order.MaxName {
		check.Add("email", "%.80q is not an address such as name@example.org", c.Email)
	}
}

// Own is the id of the reseller that a path leads to; "" is the provider.
func Own(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// KeptOut says why the people of a reseller, or of a customer, are kept out, in words for them; "" when they are not. chain are the
// resellers from the provider down to the one whose they are; ofCustomer tells that they are a customer's, who may have no record.
//
// A disabled reseller keeps out his own people alone, a suspended one also his customers' and everybody below him.
func KeptOut(chain []Reseller, customer *Customer, ofCustomer bool) string {
	if customer != nil && customer.State == Disabled {
		return "the customer " + customer.Name + " is disabled; ask who gave you this login"
	}
	for i, r := range chain {
		own := i+1 == len(chain) && !ofCustomer
		switch {
		case r.State == Suspended && own:
			return "the reseller " + r.Name + " is suspended; ask the provider"
		case r.State == Suspended:
			return "who gave you this login is suspended; ask there"
		case r.State == Disabled && own:
			return "the reseller " + r.Name + " is disabled; ask the provider"
		}
	}
	return ""
}
