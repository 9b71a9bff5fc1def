package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/settings"
)

// StateSource is where the state lies: the directory of an embedded etcd whose
// controller is stopped, or an external etcd.
type StateSource struct {
	Data             string
	EtcdEndpoints    []string
	EtcdCA           string
	EtcdCert         string
	EtcdKey          string
	EtcdUser         string
	EtcdPasswordFile string
}

// State reads records as they are stored. It never writes.
type State interface {
	// Get is the record under a key, at its revision; found is false when there is none.
	Get(ctx context.Context, key string) (value []byte, rev int64, found bool, err error)
	// Keys lists the keys below a prefix, at most limit of them.
	Keys(ctx context.Context, prefix string, limit int) ([]string, error)
	Close() error
}

func (p *program) stateCommand() *cobra.Command {
	var src StateSource
	c := &cobra.Command{
		Use: "state", GroupID: startGroup, Short: "Look at records as they are stored, without a controller", Args: cobra.ArbitraryArgs,
		Long: "Reads the store. With --data the controller of that directory must be stopped.",
		RunE: group,
	}
	f := c.PersistentFlags()
	f.StringVar(&src.Data, "data", "", "directory of an embedded etcd")
	f.StringSliceVar(&src.EtcdEndpoints, "etcd-endpoints", nil, "external etcd")
	f.StringVar(&src.EtcdCA, "etcd-ca", "", "file with etcd's authority")
	f.StringVar(&src.EtcdCert, "etcd-cert", "", "file with our certificate for etcd")
	f.StringVar(&src.EtcdKey, "etcd-key", "", "file with its key")
	f.StringVar(&src.EtcdUser, "etcd-user", "", "user at etcd")
	f.StringVar(&src.EtcdPasswordFile, "etcd-password-file", "", "file with the user's password")
	settings.Describe(f)
	open := func(c *cobra.Command) (State, error) {
		if err := p.bind(c.InheritedFlags()); err != nil {
			return nil, err
		}
		if (src.Data == "") == (len(src.EtcdEndpoints) == 0) {
			return nil, usage(c, "say where the state is: --data DIR or --etcd-endpoints")
		}
		return p.hooks.State(src)
	}
	c.AddCommand(p.stateGet(open), p.stateKeys(open))
	return c
}

func (p *program) stateGet(open func(*cobra.Command) (State, error)) *cobra.Command {
	return &cobra.Command{
		Use: "get KEY", Short: "Print a record: servers/srv-…", Args: exactly("one key"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			s, err := open(c)
			if err != nil {
				return err
			}
			defer func() { err = closed(s, err) }()
			value, rev, found, err := s.Get(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !found {
				return fault.NotFound("there is no key %q; `steelyard state keys PREFIX` lists them", args[0])
			}
			fmt.Fprintf(p.err, "%s at revision %d\n", clean(args[0]), rev)
			p.raw(p.out, value)
			return nil
		},
	}
}

func (p *program) stateKeys(open func(*cobra.Command) (State, error)) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "keys PREFIX", Short: "List keys: servers/", Args: exactly("a prefix"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			s, err := open(c)
			if err != nil {
				return err
			}
			defer func() { err = closed(s, err) }()
			keys, err := s.Keys(c.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if p.json() {
				text, err := json.Marshal(keys)
				p.raw(p.out, text)
				return err
			}
			for _, k := range keys {
				fmt.Fprintln(p.out, clean(k))
			}
			return nil
		},
	}
	c.Flags().IntVar(&limit, "limit", 1000, "at most that many")
	return c
}

func closed(s State, err error) error {
	if e := s.Close(); err == nil && e != nil {
		return fmt.Errorf("close the store: %w", e)
	}
	return err
}
