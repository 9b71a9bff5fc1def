package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/steelyard/steelyard/pkg/pause"
)

// terms are the times of a lease (RFC 2131, 4.4.5): from renew on its own server is asked for more time, from rebind on any.
type terms struct{ renew, rebind, end time.Time }

// termsOf takes the server's wishes where they make sense.
func termsOf(l *nclient4.Lease) terms {
	length := l.ACK.IPAddressLeaseTime(time.Hour)
	first, second := l.ACK.IPAddressRenewalTime(length/2), l.ACK.IPAddressRebindingTime(length/8*7)
	if first <= 0 || first >= second || second >= length {
		first, second = length/2, length/8*7
	}
	return terms{l.CreationTime.Add(first), l.CreationTime.Add(second), l.CreationTime.Add(length)}
}

// holder keeps an address.
type holder struct {
	screen *screen
	// extend asks for more time, the server that gave the address or any. It may try for as long as ctx lasts.
	extend func(ctx context.Context, l *nclient4.Lease, any bool) (*nclient4.Lease, error)
	set    func(now, before settings) error
}

var errNotProlonged = errors.New("no DHCP server prolongs it")

// hold prolongs an address until that fails for good, and returns why. Without an end there is nothing to do.
func (h holder) hold(ctx context.Context, l *nclient4.Lease) error {
	for l.ACK.IPAddressLeaseTime(time.Hour) < forever {
		if err := pause.For(ctx, time.Until(termsOf(l).renew)); err != nil {
			return err
		}
		longer, err := h.prolong(ctx, l)
		if err != nil {
			return err
		}
		if err := h.set(settingsOf(longer.ACK), settingsOf(l.ACK)); err != nil {
			h.screen.say("Network: the address cannot be prolonged: %v", err)
		}
		l = longer
	}
	<-ctx.Done()
	return ctx.Err()
}

// prolong tries until the end of the lease. A server that says no is believed at once.
func (h holder) prolong(ctx context.Context, l *nclient4.Lease) (*nclient4.Lease, error) {
	for when := termsOf(l); time.Now().Before(when.end); {
		any, until := false, when.rebind
		if !time.Now().Before(when.rebind) {
			any, until = true, when.end
		}
		try, cancel := context.WithDeadline(ctx, until)
		longer, err := h.extend(try, l, any)
		cancel()
		no := new(nclient4.ErrNak)
		switch {
		case err == nil && longer.ACK.YourIPAddr.Equal(l.ACK.YourIPAddr):
			return longer, nil
		case errors.As(err, &no):
			return nil, fmt.Errorf("the DHCP server %v does not let this machine have it any more", no.Nak.ServerIdentifier())
		}
		if err := pause.For(ctx, min(30*time.Second, max(time.Second, time.Until(until)/4))); err != nil {
			return nil, err
		}
	}
	return nil, errNotProlonged
}

// extend asks on a card.
func (c card) extend(ctx context.Context, l *nclient4.Lease, any bool) (*nclient4.Lease, error) {
	client, err := nclient4.New(c.Name, nclient4.WithTimeout(perTry), nclient4.WithRetry(tries))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	request, err := dhcpv4.NewRenewFromAck(l.ACK, append(asUs(c), dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(nclient4.MaxMessageSize)))...)
	if err != nil {
		return nil, err
	}
	answers := nclient4.IsMessageType(dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak)
	if !any {
		answers = nclient4.IsAll(nclient4.IsCorrectServer(l.ACK.ServerIdentifier()), answers)
	}
	answer, err := client.SendAndRead(ctx, nclient4.DefaultServers, request, answers)
	if err != nil {
		return nil, err
	}
	if answer.MessageType() == dhcpv4.MessageTypeNak {
		return nil, &nclient4.ErrNak{Offer: l.Offer, Nak: answer}
	}
	return &nclient4.Lease{Offer: l.Offer, ACK: answer, CreationTime: time.Now()}, usable(answer)
}
