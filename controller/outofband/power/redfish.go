package power

import (
	"cmp"
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power/redfish"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// UnknownCertificate is the cause of Open's refusal when nobody has accepted the certificate of
// a Redfish service. Find it with errors.As; its SHA256 becomes the pin once a person accepts it.
type UnknownCertificate = redfish.UnknownCertificate

// maxSystems bounds what is listed of a service with many systems.
const maxSystems = 256

// redfishController is one system of a Redfish service.
type redfishController struct {
	client *redfish.Client
	system string // path
	quirk  quirk
}

func openRedfish(ctx context.Context, t Target) (Controller, error) {
	client, err := redfish.Dial(ctx, redfish.Options{Address: t.Address, Username: t.Username, Password: t.Password, Pin: t.Pin, Roots: t.Roots})
	if err != nil {
		return nil, err
	}
	c := &redfishController{client: client}
	if err := c.choose(ctx, t.System); err != nil {
		client.Close()
		return nil, err
	}
	return c, nil
}

// choose finds the system by its id; without one it takes the only one.
func (c *redfishController) choose(ctx context.Context, id string) error {
	var ids []string
	next := c.client.Root.Systems.ID
	for next != "" && len(ids) < maxSystems {
		var page redfish.Collection
		if _, err := c.client.Get(ctx, next, &page); err != nil {
			return err
		}
		for _, m := range page.Members {
			if name := path.Base(m.ID); id == name {
				c.system = m.ID
				return c.know(ctx)
			}
			ids, c.system = append(ids, path.Base(m.ID)), m.ID
		}
		if page.Next == next || len(page.Members) == 0 {
			break
		}
		next = page.Next
	}
	switch {
	case id != "":
		return fault.Refused("the Redfish service has no system %q; it has %s", id, list(ids))
	case len(ids) != 1:
		return fault.Refused("the Redfish service has %d systems (%s); say which one by its id", len(ids), list(ids))
	}
	return c.know(ctx)
}

// list names the first few.
func list(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	if len(ids) > 8 {
		return strings.Join(ids[:8], ", ") + ", …"
	}
	return strings.Join(ids, ", ")
}

// know reads the system once, so that a wrong id fails here, and learns whose it is.
func (c *redfishController) know(ctx context.Context) error {
	system, _, err := c.read(ctx)
	if err != nil {
		return err
	}
	c.quirk = quirkOf(cmp.Or(string(c.client.Root.Vendor), string(system.Manufacturer)))
	return nil
}

func (c *redfishController) read(ctx context.Context) (system redfish.System, etag string, err error) {
	etag, err = c.client.Get(ctx, c.system, &system)
	return system, cmp.Or(etag, string(system.ETag)), err
}

func (c *redfishController) Status(ctx context.Context) (string, error) {
	system, _, err := c.read(ctx)
	if err != nil {
		return outofband.Unknown, err
	}
	switch system.PowerState {
	case "On", "Paused":
		return outofband.On, nil
	case "Off":
		return outofband.Off, nil
	default: // PoweringOn, PoweringOff, or nothing while the service itself starts
		return outofband.Unknown, nil
	}
}

// Ways to switch, best first (ComputerSystem.Reset, enumeration ResetType).
var (
	waysOn   = []redfish.Text{"On", "ForceOn", "PushPowerButton"}
	waysSoft = []redfish.Text{"GracefulShutdown", "PushPowerButton"}
	waysHard = []redfish.Text{"ForceOff", "PowerOff"}
)

func (c *redfishController) On(ctx context.Context) error      { return c.reset(ctx, waysOn) }
func (c *redfishController) SoftOff(ctx context.Context) error { return c.reset(ctx, waysSoft) }
func (c *redfishController) HardOff(ctx context.Context) error { return c.reset(ctx, waysHard) }

// reset calls the action with the first of the ways that the service offers.
func (c *redfishController) reset(ctx context.Context, ways []redfish.Text) error {
	system, _, err := c.read(ctx)
	if err != nil {
		return err
	}
	way, err := c.way(ctx, system.Actions.Reset, ways)
	if err != nil {
		return err
	}
	target := cmp.Or(system.Actions.Reset.Target, strings.TrimSuffix(c.system, "/")+"/Actions/ComputerSystem.Reset")
	return c.client.Post(ctx, target, map[string]any{"ResetType": way})
}

// way picks what is offered; a service that says nothing has the first.
func (c *redfishController) way(ctx context.Context, action redfish.Action, ways []redfish.Text) (redfish.Text, error) {
	offered := action.Types
	if len(offered) == 0 && action.Info != "" {
		var info redfish.ActionInfo
		if _, err := c.client.Get(ctx, action.Info, &info); fault.Is(err, fault.KindUnavailable) {
			return "", err
		}
		for _, p := range info.Parameters {
			if p.Name == "ResetType" {
				offered = p.Values
			}
		}
	}
	if len(offered) == 0 {
		return ways[0], nil
	}
	for _, w := range ways {
		if slices.Contains(offered, w) {
			return w, nil
		}
	}
	return "", fault.Refused("the management controller offers no %s", ways[0])
}

// Reading back the boot override: some services need seconds to show it.
const (
	bootLooks = 10
	bootPause = time.Second
)

// NextBoot overrides the boot source and reads it back.
func (c *redfishController) NextBoot(ctx context.Context, boot Boot) error {
	system, etag, err := c.read(ctx)
	if err != nil {
		return err
	}
	want, err := override(boot, system.Boot)
	if err != nil {
		return err
	}
	written, err := c.patchBoot(ctx, system, etag, want)
	if err != nil {
		return err
	}
	for look := 1; ; look++ {
		var now redfish.System
		if _, err := c.client.Get(ctx, written, &now); err != nil {
			return err
		}
		if now.Boot.Target == want.Target && now.Boot.Enabled == want.Enabled && (boot.Mode == "" || now.Boot.Mode == want.Mode) {
			return nil
		}
		if look == bootLooks || pause.For(ctx, bootPause) != nil {
			return fault.Unavailable("the management controller accepted %s as the boot device (%s %s) and reports %s %s %s", boot.Device,
				want.Enabled, want.Target, now.Boot.Enabled, now.Boot.Target, now.Boot.Mode)
		}
	}
}

// patchBoot writes to the system, or to its pending settings where only those can be
// written, and returns which it was.
func (c *redfishController) patchBoot(ctx context.Context, system redfish.System, etag string, want redfish.Boot) (written string, err error) {
	body := map[string]any{"BootSourceOverrideEnabled": want.Enabled, "BootSourceOverrideTarget": want.Target}
	if want.Mode != "" && (want.Mode != system.Boot.Mode || c.quirk.alwaysMode) {
		body["BootSourceOverrideMode"] = want.Mode
	}
	err = c.client.Patch(ctx, c.system, etag, map[string]any{"Boot": body})
	settings := system.Settings.Object.ID
	if s := redfish.StatusOf(err); settings != "" && (s == http.StatusBadRequest || s == http.StatusMethodNotAllowed) {
		return settings, c.client.Patch(ctx, settings, "", map[string]any{"Boot": body})
	}
	return c.system, err
}

// Names of boot sources, best first.
var targets = map[string][]redfish.Text{
	BootNetwork: {"Pxe", "UefiHttp"},
	BootDisk:    {"Hdd", "UefiHdd"},
}

var modes = map[string]redfish.Text{ModeBIOS: "Legacy", ModeUEFI: "UEFI"}

// override says what to write. Without a mode the present one stays.
func override(boot Boot, now redfish.Boot) (want redfish.Boot, err error) {
	names := targets[boot.Device]
	if len(names) == 0 {
		return want, fault.Invalid("boot device %q is not known; use network or disk", boot.Device)
	}
	want = redfish.Boot{Enabled: "Continuous", Target: names[0], Mode: now.Mode}
	if boot.Once {
		want.Enabled = "Once"
	}
	if boot.Mode != "" {
		want.Mode = modes[boot.Mode]
	}
	if len(now.Targets) == 0 {
		return want, nil
	}
	for _, name := range names {
		if slices.Contains(now.Targets, name) && !(name == "UefiHttp" && boot.Mode == ModeBIOS) {
			want.Target = name
			return want, nil
		}
	}
	return want, fault.Refused("the management controller cannot boot from %s; it offers %s", boot.Device, offers(now.Targets))
}

// offers lists allowable values.
func offers(texts []redfish.Text) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = string(t)
	}
	return list(out)
}

func (c *redfishController) Close() error {
	c.client.Close()
	return nil
}
