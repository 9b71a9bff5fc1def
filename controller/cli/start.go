package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steelyard/steelyard/controller/netboot"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/settings"
)

// ServeOptions say how a controller reaches others. Everything about the fleet is
// state.
type ServeOptions struct {
	Data      string   // directory: embedded etcd, authority, images
	HTTP      string   // address of API and console
	Agents    string   // address where agents connect
	Advertise []string // host names and addresses that agents and clients use; in the certificate
	Authority string   // directory of the fleet's authority; empty: below Data

	EtcdEndpoints    []string // empty: embedded
	EtcdCA           string
	EtcdCert         string
	EtcdKey          string
	EtcdUser         string
	EtcdPasswordFile string

	Netboot     []string // interfaces that machines boot from
	NetbootHTTP string   // address of what they load there
	RAMEnv      string   // directory of the RAM environment; empty: below Data

	TLSCert, TLSKey string // of API and console; empty: issued by the fleet's authority
	LogLevel        slog.Level
}

// DevOptions describe a fleet on one machine.
type DevOptions struct {
	Data        string
	HTTP        string
	Agents      string
	Simulate    int    // number of simulated servers
	ReadyFile   string // written when everything is up: {"url","token","ca"}
	AgentBinary string // empty: beside this program
	LogLevel    slog.Level
}

func (p *program) addStarting(root *cobra.Command) {
	if p.hooks.Serve == nil && p.hooks.Dev == nil && p.hooks.State == nil {
		return
	}
	root.AddGroup(&cobra.Group{ID: startGroup, Title: "Start a controller, look into its store:"})
	if p.hooks.Serve != nil {
		root.AddCommand(p.serveCommand())
	}
	if p.hooks.Dev != nil {
		root.AddCommand(p.devCommand())
	}
}

func (p *program) serveCommand() *cobra.Command {
	var o ServeOptions
	var level string
	c := &cobra.Command{
		Use: "serve", GroupID: startGroup, Short: "Run a controller", Args: exactly(),
		Long: `Runs a controller until it is interrupted. Without --etcd-endpoints it keeps its
state in an embedded etcd below --data; with them it is one of any number of
replicas, which share that cluster and the files of --authority.`,
	}
	f := c.Flags()
	f.StringVar(&o.Data, "data", "/var/lib/steelyard", "directory of state and images")
	f.StringVar(&o.HTTP, "http", ":8080", "address of API and console")
	f.StringVar(&o.Agents, "agents", ":8443", "address where agents connect")
	f.StringSliceVar(&o.Advertise, "advertise", nil, "names and addresses under which this controller is reached")
	f.StringVar(&o.Authority, "authority", "", "directory of the fleet's authority; else below --data")
	f.StringSliceVar(&o.EtcdEndpoints, "etcd-endpoints", nil, "external etcd: https://host:2379, several separated by commas")
	f.StringVar(&o.EtcdCA, "etcd-ca", "", "file with etcd's authority")
	f.StringVar(&o.EtcdCert, "etcd-cert", "", "file with our certificate for etcd")
	f.StringVar(&o.EtcdKey, "etcd-key", "", "file with its key")
	f.StringVar(&o.EtcdUser, "etcd-user", "", "user at etcd")
	f.StringVar(&o.EtcdPasswordFile, "etcd-password-file", "", "file with the user's password")
	f.Var((*several)(&o.Netboot), "netboot", "interface that servers boot from: eth1=dhcp:FIRST-LAST[,gateway=ADDRESS][,dns=ADDRESS] or eth1=proxy; may be repeated, or several separated by spaces")
	f.StringVar(&o.NetbootHTTP, "netboot-http", ":8081", "address of what they load; without a host only on the interfaces of --netboot, with one also without --netboot")
	f.StringVar(&o.RAMEnv, "ramenv", "", "directory of the RAM environment: vmlinuz, initrd, manifest.json; else below --data")
	f.StringVar(&o.TLSCert, "tls-cert", "", "file with the certificate of API and console; else the fleet's authority makes one")
	f.StringVar(&o.TLSKey, "tls-key", "", "file with its key")
	p.startFlags(f, &level)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.LogLevel, err = p.settle(f, &level); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return asMisuse(err)
		}
		return p.hooks.Serve(c.Context(), o)
	}
	return c
}

// check tells all settings that do not go together.
func (o *ServeOptions) check() error {
	var c fault.Check
	together := func(a, b, x, y string) {
		c.Require((x == "") == (y == ""), a, "goes together with %s; give both or none", b)
	}
	together("--tls-cert", "--tls-key", o.TLSCert, o.TLSKey)
	together("--etcd-cert", "--etcd-key", o.EtcdCert, o.EtcdKey)
	together("--etcd-user", "--etcd-password-file", o.EtcdUser, o.EtcdPasswordFile)
	if len(o.EtcdEndpoints) == 0 {
		for name, value := range map[string]string{"--etcd-ca": o.EtcdCA, "--etcd-cert": o.EtcdCert, "--etcd-user": o.EtcdUser} {
			c.Require(value == "", name, "needs --etcd-endpoints")
		}
	}
	c.Require(o.Data != "", "--data", "is empty")
	if _, err := netboot.ParseInterfaces(o.Netboot); err != nil {
		c.Add("--netboot", "cannot be used: %s", err)
	}
	return c.Err("the settings do not go together")
}

// several is a flag that may be repeated, and holds several values separated by spaces.
type several []string

func (w *several) String() string { return strings.Join(*w, " ") }
func (w *several) Type() string   { return "strings" }

// Set adds values.
func (w *several) Set(text string) error {
	*w = append(*w, strings.Fields(text)...)
	return nil
}

func (p *program) devCommand() *cobra.Command {
	var o DevOptions
	var level string
	c := &cobra.Command{
		Use: "dev", GroupID: startGroup, Short: "A living fleet on this machine, to try everything", Args: exactly(),
		Long: `Runs a controller with an embedded etcd, one real agent for this machine (it erases and
installs only files that it made), and simulated servers. Going on with the same --data
goes on where it was.`,
	}
	f := c.Flags()
	f.StringVar(&o.Data, "data", "steelyard-dev", "directory of everything")
	f.StringVar(&o.HTTP, "http", "127.0.0.1:8080", "address of API and console")
	f.StringVar(&o.Agents, "agents", "127.0.0.1:8443", "address where agents connect")
	f.IntVar(&o.Simulate, "simulate", 200, "number of simulated servers")
	f.StringVar(&o.ReadyFile, "ready-file", "", "file that appears when everything is up: address, token, authority")
	f.StringVar(&o.AgentBinary, "agent-binary", "", "the agent's program; else the one beside this program")
	p.startFlags(f, &level)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.LogLevel, err = p.settle(f, &level); err != nil {
			return err
		}
		if o.Simulate < 0 || o.Simulate > 100_000 {
			return asMisuse(fault.Invalid("--simulate is %d; give 0 to 100000", o.Simulate))
		}
		if o.AgentBinary == "" {
			if o.AgentBinary, err = beside("steelyard-agent"); err != nil {
				return err
			}
		}
		return p.hooks.Dev(c.Context(), o)
	}
	return c
}

func (p *program) startFlags(f *pflag.FlagSet, level *string) {
	f.StringVar(level, "log-level", "info", "debug, info, warn or error")
	settings.Describe(f)
}

// settle takes settings from the environment and reads the level of the log.
func (p *program) settle(f *pflag.FlagSet, level *string) (slog.Level, error) {
	var l slog.Level
	if err := p.bind(f); err != nil {
		return l, err
	}
	if err := l.UnmarshalText([]byte(*level)); err != nil {
		return l, asMisuse(fault.Invalid("--log-level is %q; give debug, info, warn or error", *level))
	}
	return l, nil
}

// global flags say whom to ask; they are bound elsewhere.
var global = []string{"help", "url", "ca", "token-file", "output"}

func (p *program) bind(f *pflag.FlagSet) error {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.VisitAll(func(fl *pflag.Flag) {
		if !slices.Contains(global, fl.Name) {
			own.AddFlag(fl)
		}
	})
	return asMisuse(settings.Bind(own, p.lookup))
}

// beside is a program in the directory of this one.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fault.Internal("find this program: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fault.Invalid("the agent is not beside this program; build it with `make build`, or give --agent-binary: %w", err)
	}
	return path, nil
}
