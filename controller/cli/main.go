package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/version"
)

// Exit statuses.
const (
	done    = 0
	failed  = 1 // refused or failed
	misused = 2 // the command line was wrong
)

// Hooks start what lies above this package. A nil hook leaves its command out.
type Hooks struct {
	Serve func(context.Context, ServeOptions) error
	Dev   func(context.Context, DevOptions) error
	State func(StateSource) (State, error)
}

// world is what a command sees of its surroundings.
type world struct {
	args   []string
	in     io.Reader
	out    io.Writer
	err    io.Writer
	lookup func(string) (string, bool) // of an environment variable
	config string                      // directory of the login
	now    func() time.Time
	pause  func(context.Context, time.Duration) error
	hooks  Hooks
}

// Main runs one command and returns its exit status. It ends early, and cleanly,
// when ctx does.
func Main(ctx context.Context, args []string, hooks Hooks) int {
	config, err := os.UserConfigDir()
	if err != nil {
		config = "" // no home: `login` says so
	}
	return run(ctx, world{
		args: args, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		lookup: os.LookupEnv, config: config, now: time.Now, pause: pause.For, hooks: hooks,
	})
}

func run(ctx context.Context, w world) int {
	p := &program{world: w}
	root := p.root()
	root.SetArgs(w.args)
	err := root.ExecuteContext(ctx)
	if p.client != nil {
		p.client.Close()
	}
	return p.report(err)
}

// program is one run of the command.
type program struct {
	world
	url, ca, tokenFile, output, actFor string

	client *client.Client // made by the first command that asks
	names  map[string]map[string]string
	lines  *bufio.Reader // of standard input, made by the first that reads one
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "steelyard",
		Short: "Know every server, hand it out, prepare it, take it back",
		Long: `steelyard starts a controller (serve, dev) and asks one.

  steelyard dev                          a living fleet on this machine
  steelyard server list --available      what can be handed out
  steelyard server why NAME              why one cannot
  steelyard order place --tariff small --image debian --customer me --hostname web1.example.net --wait

Where the controller is: STEELYARD_URL; who you are: STEELYARD_TOKEN, or steelyard login.
Exit status: 0 done, 1 refused or failed, 2 wrong command line.`,
		Version:       version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, "%v", err) })
	p.globalFlags(root)
	p.addStarting(root)
	p.addAsking(root)
	return root
}

// addAsking adds the commands that speak to a controller.
func (p *program) addAsking(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: fleetGroup, Title: "The fleet:"}, &cobra.Group{ID: setupGroup, Title: "What it is made of and who uses it:"})
	for i := range nouns {
		c := p.nounCommand(&nouns[i])
		c.GroupID = nouns[i].group
		root.AddCommand(c)
	}
	root.AddCommand(p.matchCommand(), p.catalogueCommand(), p.eventsCommand(), p.usageCommand(), p.loginCommand(), p.logoutCommand(), p.passwordCommand(), p.sessionCommand(), p.providerCommand(), p.whoamiCommand(), p.aboutCommand(), p.settingsCommand(), p.accountDefaultsCommand(), p.secretCommand(), p.mailCommand())
	if p.hooks.State != nil {
		root.AddCommand(p.stateCommand())
	}
}

// group is the action of a command that only holds others.
func group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		_ = c.Help() // to the terminal: nothing to do if that fails
		return usage(c, "say what to do")
	}
	c.SuggestionsMinimumDistance = 2
	if s := c.SuggestionsFor(args[0]); len(s) > 0 {
		return usage(c, "%s has no command %q; did you mean %s?", c.CommandPath(), args[0], s[0])
	}
	return usage(c, "%s has no command %q", c.CommandPath(), args[0])
}
