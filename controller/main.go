// Command steelyard is the controller and the operator's command.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/steelyard/steelyard/controller/app"
	"github.com/steelyard/steelyard/controller/cli"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == app.ChassisCommand { // ipmi_sim asks about its machine
		if err := app.Chassis(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Hooks{Serve: serve, Dev: dev, State: state}))
}

func serve(ctx context.Context, o cli.ServeOptions) error {
	return app.Serve(ctx, app.Options{
		Data: o.Data, HTTP: o.HTTP, Agents: o.Agents, Advertise: o.Advertise, Authority: o.Authority,
		Etcd: etcdkv.Config{
			Endpoints: o.EtcdEndpoints, CAFile: o.EtcdCA, CertFile: o.EtcdCert, KeyFile: o.EtcdKey,
			Username: o.EtcdUser, PasswordFile: o.EtcdPasswordFile,
		},
		Netboot: o.Netboot, NetbootHTTP: o.NetbootHTTP, RAMEnv: o.RAMEnv,
		TLSCert: o.TLSCert, TLSKey: o.TLSKey, Version: version.Version, Logger: logger(o.LogLevel),
	}, os.Stdout)
}

func dev(ctx context.Context, o cli.DevOptions) error {
	return app.Dev(ctx, app.DevOptions{
		Options: app.Options{
			Data: o.Data, HTTP: o.HTTP, Agents: o.Agents, Version: version.Version, EtcdLevel: slog.LevelError, // a busy desktop is slow at times; nobody needs a line for each
			Logger: logger(max(o.LogLevel, slog.LevelWarn)),
		},
		Simulate: o.Simulate, ReadyFile: o.ReadyFile, AgentBinary: o.AgentBinary,
	}, os.Stdout)
}

func state(src cli.StateSource) (cli.State, error) {
	return app.OpenState(context.Background(), app.Options{Data: src.Data, Etcd: etcdkv.Config{
		Endpoints: src.EtcdEndpoints, CAFile: src.EtcdCA, CertFile: src.EtcdCert, KeyFile: src.EtcdKey,
		Username: src.EtcdUser, PasswordFile: src.EtcdPasswordFile,
	}})
}

func logger(level slog.Level) *slog.Logger { return logging.New(os.Stderr, level) }
