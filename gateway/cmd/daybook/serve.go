package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: "Run the gateway until SIGINT or SIGTERM. It then answers what it has begun and stops; a second signal stops it at once.\n\n" +
			"Every flag below is a key of the configuration file and a variable of the environment too:\n" +
			"--ingest-listen is ingest.listen and DAYBOOK_INGEST_LISTEN. A flag counts before the environment, the environment before the file.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	a.configFlags(cmd)
	return cmd
}

func (a *app) serve(ctx context.Context) error {
	in := a.inputs()
	in.Watch = &serve.FileWatch{}
	c, from, err := serve.Load(*in)
	if err != nil {
		return err
	}
	tuneCollector(c, a.env)
	log := serve.NewLog(a.stderr, a.stderrIsTerminal, c.Log)
	buffer := serve.NewLogBuffer(a.stderr)
	defer buffer.Flush()
	build := serve.ReadBuild()
	g, err := serve.Open(ctx, c, serve.Options{
		Log: log, Events: serve.NewLog(buffer, a.stderrIsTerminal, c.Log),
		Build: build, Ephemeral: serve.EphemeralDisk(a.env), From: from,
		Inputs: in,
	})
	if err != nil {
		return err
	}
	signals := catchSignals() // before anybody is told that it serves
	defer signals.release()
	if a.stderrIsTerminal {
		a.firstScreen(g, c, build)
	} else {
		log.Info("daybook serves", "version", build.Version, "ingest", g.IngestURL(),
			"operations", g.OperationsURL(), "data", c.Data, "durability", g.Durability().String())
	}
	return runUntilSignal(ctx, g, signals)
}

// signals are what a running gateway is told by the operating system.
type signals struct{ ends, hangups chan os.Signal }

func catchSignals() signals {
	s := signals{ends: make(chan os.Signal, 2), hangups: make(chan os.Signal, 1)}
	signal.Notify(s.ends, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(s.hangups, syscall.SIGHUP)
	return s
}

func (s signals) release() {
	signal.Stop(s.ends)
	signal.Stop(s.hangups)
}

// runUntilSignal serves until the first SIGINT or SIGTERM. The second one makes
// the stop stop waiting. SIGHUP reads the configuration again.
func runUntilSignal(ctx context.Context, g *serve.Gateway, s signals) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()
	for {
		select {
		case err := <-stopped:
			return err
		case <-s.ends:
			if ctx.Err() != nil {
				g.StopNow()
			}
			cancel()
		case <-s.hangups:
			_ = g.Reload() // it has logged what was wrong
		}
	}
}
