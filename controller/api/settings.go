package api

import (
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Settings hold for the whole fleet.
type Settings struct {
	RequireConfirmedEmail bool `json:"require_confirmed_email" doc:"Orders are taken only from customers who confirmed their e-mail address (B5)."`
	WebhookPrivateTargets bool `json:"webhook_private_targets,omitempty" doc:"Webhooks may go to private and loopback addresses, and by http. Left out of a change, it is false."`
	RemotePrivateTargets  bool `json:"remote_private_targets,omitempty" doc:"Modules of kind remote may go to private and loopback addresses (B6). Left out of a change, it is false."`

	PublicURL string `json:"public_url,omitempty" doc:"Address at which people reach this controller, for links in letters and for logins through a provider: https://steelyard.example.com. Left out of a change, it is empty."`

	RequireSecondFactor bool `json:"require_second_factor,omitempty" doc:"The provider's people can do nothing but set up a second factor until they have one; logins through a provider and API tokens apart. Left out of a change, it is false."`

	TimeZone string `json:"time_zone,omitempty" doc:"Time zone by which months of usage begin (U7), a name of the IANA's: Europe/Berlin. Empty is UTC. Nodes make the totals of the last three months anew when it is changed; older ones stay as they were. Left out of a change, it is empty."`
}

func (s *Settings) check(c *fault.Check, _ intake.Lookup, _ *state) {
	if s.PublicURL != "" {
		notify.CheckBase(c, "public_url", s.PublicURL)
	}
	usage.CheckZone(c, "time_zone", s.TimeZone)
}

func (a *API) registerSettings() {
	without(a, "GET /v1/settings", about{summary: "What holds for the whole fleet", tag: "settings", answer: Settings{}}, func(*call) (reply, error) {
		return a.settings(), nil
	})
	withBody(a, "PUT /v1/settings", about{summary: "Change what holds for the whole fleet", tag: "settings", answer: Settings{}}, func(c *call, s *Settings) (reply, error) {
		if err := a.in.ChangeSettings(c.ctx(), c.actor(), s.record()); err != nil {
			return reply{}, err
		}
		return a.settings(), nil
	})
}

func (a *API) settings() reply {
	var s Settings
	if kept, ok := store.Settings.View(a.opt.Store, store.FleetSettings); ok {
		s = settingsOf(kept)
	}
	return reply{body: render(&s)}
}

// record is what is stored of it.
func (s *Settings) record() store.FleetSetting {
	return store.FleetSetting{
		RequireConfirmedEmail: s.RequireConfirmedEmail, WebhookPrivateTargets: s.WebhookPrivateTargets, RemotePrivateTargets: s.RemotePrivateTargets,
		PublicURL: s.PublicURL, RequireSecondFactor: s.RequireSecondFactor, TimeZone: s.TimeZone,
	}
}

func settingsOf(r *store.FleetSetting) Settings {
	return Settings{
		RequireConfirmedEmail: r.RequireConfirmedEmail, WebhookPrivateTargets: r.WebhookPrivateTargets, RemotePrivateTargets: r.RemotePrivateTargets,
		PublicURL: r.PublicURL, RequireSecondFactor: r.RequireSecondFactor, TimeZone: r.TimeZone,
	}
}
