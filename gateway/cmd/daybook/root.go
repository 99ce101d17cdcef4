package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daybook.dev/gateway/internal/nearest"
	"daybook.dev/gateway/internal/serve"
)

// newRoot returns the command tree. One file per command.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "daybook",
		Short: "The book of original entry for what happens in your product",
		Long: "Daybook answers OK for an event only once it is safe, and can always say what became of it.\n" +
			"Start with: daybook serve",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.begin()
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(noSuchFlag)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.persistentFlags(root)
	root.AddCommand(newServe(a), newSend(a), newTail(a), newTrace(a), newLedger(a), newReplay(a), newDeadLetters(a), newCheck(a), newConfig(a), newKeys(a), newStore(a), newVersion(a))
	root.Version = serve.ReadBuild().String()
	root.SetVersionTemplate("daybook {{.Version}}\n")
	refuseUnknownTopics(root)
	return root
}

// refuseUnknownTopics makes wrong usage of a word that help and completion, which
// come with the library, do not know.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			return noSuchCommand(found, rest)
		}
	}
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = noSuchCommand
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// noSuchCommand refuses a word that is no command of cmd, and names the one
// that was probably meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
}

// noSuchFlag names the flag that was probably meant, where there is none of that
// name.
func noSuchFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	err = fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
	if near := nearest.Name(unknown.GetSpecifiedName(), slices.Values(names)); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

// everywhere lists the keys that are flags of every command: they say which
// gateway, and which data directory, the command is about.
var everywhere = map[string]bool{"data": true, "ingest.listen": true, "operations.listen": true}

// persistentFlags declares what every command accepts.
func (a *app) persistentFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.file, "config", "", "configuration `FILE` (default "+serve.DefaultFile+" where present)")
	flags.StringVar(&a.gateway, "gateway", "", "`URL` of the gateway to send to (DAYBOOK_GATEWAY; default the ingest address)")
	flags.StringVar(&a.key, "key", "", "`KEY` that proves who is calling (DAYBOOK_KEY)")
	flags.StringVarP(&a.output, "output", "o", "table", "`FORMAT` of what is printed: table or json, one object per line")
	complete(root, "output", outputs)
	a.keyFlags(root, flags, func(k serve.Key) bool { return everywhere[k.Name] })
}

// configFlags declares the remaining keys of the configuration as flags of a
// command that uses the whole of it.
func (a *app) configFlags(cmd *cobra.Command) {
	a.keyFlags(cmd, cmd.Flags(), func(k serve.Key) bool { return !everywhere[k.Name] })
}

func (a *app) keyFlags(cmd *cobra.Command, flags *pflag.FlagSet, wanted func(serve.Key) bool) {
	for _, k := range serve.Keys() {
		if !wanted(k) {
			continue
		}
		flag := flags.VarPF(&keyFlag{key: k, given: a.given}, k.Flag(), "", k.Usage)
		if k.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		if words := k.Words(); len(words) > 0 {
			complete(cmd, k.Flag(), words)
		}
	}
}

// complete tells shells the values of a flag.
func complete(cmd *cobra.Command, flag string, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("daybook: completion of --" + flag + ": " + err.Error())
	}
}

// A keyFlag is the flag of one configuration key. It checks its text at once,
// so that a wrong value is wrong usage, and leaves it to serve.Load.
type keyFlag struct {
	key   serve.Key
	given map[string]string
}

func (f *keyFlag) Set(text string) error {
	if err := f.key.Check(text); err != nil {
		return err
	}
	f.given[f.key.Name] = text
	return nil
}

func (f *keyFlag) Type() string { return f.key.Type() }

// String is what help shows as the default.
func (f *keyFlag) String() string {
	if text, ok := f.given[f.key.Name]; ok {
		return text
	}
	return f.key.Default
}
