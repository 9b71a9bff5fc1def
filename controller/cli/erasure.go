package cli

import (
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) erasureActions() []*cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "certificate ERASURE", Short: "Write the certificate as a page to read, print or save as PDF in a browser",
		Example: "  steelyard erasure certificate ers-06c8zq3k8h2m4x9e --file disk.html",
		Args:    exactly("the id of one erasure"), ValidArgsFunction: p.completeArg("erasure"),
		RunE: func(c *cobra.Command, args []string) error { return p.certificate(c, args[0], file) },
	}
	c.Flags().StringVar(&file, "file", "", "where to; else it is printed")
	return []*cobra.Command{c}
}

// erasuresCommand lists the certificates of one server, retired ones by id.
func (p *program) erasuresCommand(n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "erasures SERVER", Short: "List its erased disks",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.api()
			if err != nil {
				return err
			}
			id, err := p.resolve(c.Context(), n.name, args[0])
			if err != nil {
				return err
			}
			a, err := api.Get(c.Context(), n.path()+"/"+url.PathEscape(id)+"/erasures", url.Values{"all": {"true"}, "sort": {"-at"}})
			if err != nil || p.json() {
				return p.rawUnless(err, a)
			}
			page, err := client.Object[client.Page](a)
			if err != nil {
				return err
			}
			return p.printPage(c.Context(), find("erasure"), page)
		},
	}
}

func (p *program) certificate(c *cobra.Command, id, file string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Get(c.Context(), "/v1/erasures/"+url.PathEscape(id)+".html", nil)
	if err != nil {
		return err
	}
	if file == "" {
		_, err = p.out.Write(a.Body)
		return err
	}
	if err := os.WriteFile(file, a.Body, 0o644); err != nil {
		return fault.Invalid("write the certificate: %w", err)
	}
	return nil
}
