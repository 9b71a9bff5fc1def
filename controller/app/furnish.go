package app

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
)

// location is that of the fleet on this machine, made at the first start.
func (d *fleetOnOneMachine) location(ctx context.Context) (string, error) {
	for i := range store.Locations.Items(d.Store.Snapshot()) {
		return i.ID, nil
	}
	l, _, err := d.Intake.CreateLocation(ctx, access.System, intake.LocationDraft{Name: "Demo hall", ExternalID: "demo"})
	return l.ID, err
}

// furnish makes what an order needs, once: IP pools, a module, an image, and tariffs that
// the stock can and cannot serve exactly, and resellers.
func (d *fleetOnOneMachine) furnish(ctx context.Context) error {
	if store.Tariffs.Len(d.Store.Snapshot()) > 0 {
		return nil
	}
	location, err := d.location(ctx)
	if err != nil {
		return err
	}
	if err := d.pools(ctx, location); err != nil {
		return err
	}
	m, err := d.module(ctx, location)
	if err != nil {
		return err
	}
	if err := d.demoImage(ctx); err != nil {
		return err
	}
	for _, t := range d.tariffs() {
		t.Modules = []string{m}
		if _, _, err := d.Intake.CreateTariff(ctx, access.System, t); err != nil {
			return err
		}
	}
	if d.opt.Simulate <= nodes {
		return nil
	}
	return d.resellers(ctx)
}

// pools are of the prefixes that RFC 2544 and RFC 3849 keep for tests and examples.
func (d *fleetOnOneMachine) pools(ctx context.Context, location string) error {
	if store.Pools.Len(d.Store.Snapshot()) > 0 {
		return nil
	}
	for _, p := range []intake.PoolDraft{
		{Name: "demo-v4", Prefix: "198.18.0.0/20", Gateway: "198.18.0.1", DNS: []string{"198.18.0.2"}, Reserved: []string{"198.18.0.0/28"}},
		{Name: "demo-v6", Prefix: "2001:db8::/48", Gateway: "fe80::1", DNS: []string{"2001:db8::53"}, Reserved: []string{"2001:db8::/64"}},
	} {
		p.Location = location
		if _, _, err := d.Intake.CreatePool(ctx, access.System, p); err != nil {
			return err
		}
	}
	return nil
}

func (d *fleetOnOneMachine) module(ctx context.Context, location string) (string, error) {
	for i := range store.Modules.Items(d.Store.Snapshot()) {
		return i.ID, nil
	}
	m, _, err := d.Intake.CreateModule(ctx, access.System, intake.ModuleDraft{
		Name: "Demo hall, own fleet", Location: location, Department: "hall", DiagTimeout: 30, InstallTimeoutLinux: 30, InstallTimeoutWindows: 120,
	})
	return m.ID, err
}

// tariffs are made from the stock: "standard" is what most servers are, "large" is the same with twice the
// memory and one more disk, so that the closest server has to be rebuilt.
func (d *fleetOnOneMachine) tariffs() []intake.TariffDraft {
	classes := d.Stock.Catalogue.Classes()
	if len(classes) == 0 {
		return []intake.TariffDraft{{Name: "standard", Configuration: hardware.Configuration{Arch: "x86_64"}}}
	}
	common := slices.MaxFunc(classes, func(a, b match.Class) int { return a.Free - b.Free }).Configuration
	large := common
	large.MemoryBytes, large.DIMMs = 0, slices.Clone(common.DIMMs)
	for i := range large.DIMMs {
		large.DIMMs[i].Count *= 2
	}
	large.Disks = append(slices.Clone(common.Disks), hardware.DiskGroup{Count: 1, Medium: hardware.MediumNVMe, SizeBytes: uint64(3840 * unit.GB)})
	return []intake.TariffDraft{{Name: "standard", Configuration: common}, {Name: "large", Configuration: large.Normalise()}}
}

// demoImage is 16 MiB that no machine boots: noise and zeroes, to try the walk with.
func (d *fleetOnOneMachine) demoImage(ctx context.Context) error {
	if store.Images.Len(d.Store.Snapshot()) > 0 {
		return nil
	}
	raw := make([]byte, 16*unit.MiB)
	noise := rand.NewChaCha8([32]byte{'s', 't', 'e', 'e', 'l', 'y', 'a', 'r', 'd'})
	if _, err := noise.Read(raw[:4*unit.MiB]); err != nil {
		return err
	}
	img, err := d.Images.Import(ctx, bytes.NewReader(raw), image.Meta{Name: "demo-linux", OSFamily: "linux", Format: image.Raw, Actor: access.System.Name})
	if err != nil {
		return fmt.Errorf("make the demo image: %w", err)
	}
	_, err = d.Intake.AddImage(ctx, access.System, img)
	return err
}
