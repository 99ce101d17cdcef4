// Command daybook is the Daybook gateway and the tool to talk to one.
package main

import (
	"os"

	"golang.org/x/term"
)

func main() {
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		stdinIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		env:              os.LookupEnv,
	}
	os.Exit(a.run(os.Args[1:]))
}
