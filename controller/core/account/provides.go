package account

import (
	"slices"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/protocol"
)

// Provides is what a node can provide to accounts, in the words of plans (rules P9, P13).
func Provides(p *protocol.Provided) *plan.Provision {
	has := func(name string) bool { return p.Switches[name] }
	most := plan.Values{plan.DiskMiB: plan.Unlimited(), plan.Overuse: plan.Chosen(plan.NotSuspend), plan.Shell: plan.Chosen(plan.NoShell)}
	for property, part := range map[string]string{
		plan.Subdomains: "web", plan.FTPLogins: "ftp", plan.Mailboxes: "mail", plan.MailingLists: "mailing_lists", plan.Databases: "databases",
	} {
		if has(part) {
			most[property] = plan.Unlimited()
		}
	}
	for _, name := range []string{plan.PHP, plan.IMAP, plan.VirusScan} {
		most[name] = plan.Switched(has(name))
	}
	if has("disk_quota") {
		most[plan.Overuse] = plan.Chosen(plan.Block)
	}
	for _, shell := range plan.Shells { // the largest that it has comes last
		if has("ssh") && slices.Contains(p.Shells, shell) {
			most[plan.Shell] = plan.Chosen(shell)
		}
	}
	out := &plan.Provision{Most: most, Components: map[string]string{}}
	for _, c := range p.Components {
		out.Components[c.Name] = c.Version
	}
	return out
}
