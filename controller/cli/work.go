package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) operationActions() []*cobra.Command {
	n := find("operation")
	w := watching{wait: true}
	watch := &cobra.Command{
		Use: "watch OPERATION", Short: "Show how far it is until it ended",
		Args: exactly("the id of one operation"), ValidArgsFunction: p.completeArg("operation"),
		RunE: func(c *cobra.Command, args []string) error { return p.followOperation(c.Context(), args[0], w) },
	}
	addWatching(watch, &w)
	return []*cobra.Command{
		watch,
		p.deed(n, deed{use: "cancel", short: "Stop it", below: "/cancel", verb: "is being canceled", fields: []field{reason(false)}}),
		p.deed(n, deed{use: "retry", short: "Try the failed step again", below: "/retry", verb: "tries again", fields: []field{reason(false)}}),
		p.deed(n, deed{
			use: "skip", short: "Go on without the failed step", below: "/skip", verb: "goes on", fields: []field{reason(true)},
			question: "Skip the failed step of %s? What it should have done stays undone.",
		}),
	}
}

func (p *program) taskActions() []*cobra.Command {
	n := find("task")
	return []*cobra.Command{
		p.deed(n, deed{use: "comment", short: "Write on it", below: "/comments", verb: "has your comment", fields: []field{{name: "text", usage: "what to write", required: true}}}),
		p.deed(n, deed{use: "assign", short: "Say who does it", below: "/assign", verb: "assigned", fields: []field{{name: "assignee", usage: "name of a user; empty: nobody", required: true}}}),
		p.deed(n, deed{use: "close", short: "Say that it is done", below: "/close", verb: "closed", fields: []field{reason(true)}}),
	}
}
