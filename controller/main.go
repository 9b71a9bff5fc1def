// Command steelyard is the controller and the operator's command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/steelyard/steelyard/controller/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Hooks{}))
}
