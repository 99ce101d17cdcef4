package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what serve would do, and what stands in its way",
		Long:  "Say what serve would do with this configuration, and what stands in its way. Exit status 1 means that there are problems.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context()) },
	}
	a.configFlags(cmd)
	return cmd
}

func (a *app) check(ctx context.Context) error {
	var findings []serve.Finding
	if c, from, err := a.config(); err != nil {
		findings = []serve.Finding{{Check: "configuration", Detail: err.Error()}}
	} else {
		findings = serve.Check(ctx, c, from, serve.EphemeralDisk(a.env))
	}
	findings = append(findings, serve.CheckVariables(a.environ)...)
	problems := 0
	for _, f := range findings {
		if !f.OK {
			problems++
		}
		if err := a.printFinding(f); err != nil {
			return err
		}
	}
	if problems > 0 {
		a.hint("%d of %d checks found a problem", problems, len(findings))
		return errReported
	}
	return nil
}

func (a *app) printFinding(f serve.Finding) error {
	if a.json() {
		return json.NewEncoder(a.stdout).Encode(f)
	}
	verdict := "ok"
	if !f.OK {
		verdict = "PROBLEM"
	}
	_, err := fmt.Fprintf(a.stdout, "%-8s %-13s %s\n", verdict, f.Check, f.Detail)
	return err
}
