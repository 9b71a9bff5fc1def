package seal

import (
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
)

// The secrets of the fleet. A record with an access.Sealed that is not named here
// is found by a test; until then its data key is never removed.
var (
	BMCPassword        = Field(store.BMCs, "password", func(b *outofband.BMC) *access.Sealed { return &b.Password })
	SwitchCommunity    = Field(store.Switches, "community", func(s *outofband.Switch) *access.Sealed { return &s.Community })
	SwitchAuthPassword = Field(store.Switches, "auth_password", func(s *outofband.Switch) *access.Sealed { return &s.AuthPassword })
	RemoteToken        = Field(store.Remotes, "token", func(r *order.Remote) *access.Sealed { return &r.Token })
	SwitchPrivPassword = Field(store.Switches, "priv_password", func(s *outofband.Switch) *access.Sealed { return &s.PrivPassword })
	OrderUserData      = Field(store.UserData, "data", func(u *order.UserData) *access.Sealed { return &u.Data })
	WebhookSecret      = Field(store.Webhooks, "secret", func(w *notify.Webhook) *access.Sealed { return &w.Secret })
	WebhookPrevious    = Field(store.Webhooks, "previous_secret", func(w *notify.Webhook) *access.Sealed { return &w.Previous })
	LetterText         = Field(store.Letters, "text", func(l *notify.Letter) *access.Sealed { return &l.Text })
	SecondFactorSecret = Field(store.SecondFactors, "secret", func(f *access.SecondFactor) *access.Sealed { return &f.Secret })
	ProviderSecret     = Field(store.Providers, "client_secret", func(p *access.Provider) *access.Sealed { return &p.Secret })
	HostedSecrets      = Field(store.Hosted, "secrets", func(d *hosting.Document) *access.Sealed { return &d.Secrets })
	MailPassword       = Field(store.MailServers, "password", func(m *notify.MailServer) *access.Sealed { return &m.Password })
)
