// Command daybook is the Daybook gateway and the tool to talk to one.
package main

import (
	"os"
	"strings"

	"golang.org/x/term"
)

func main() {
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		stdinIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		env:              os.LookupEnv,
		environ:          os.Environ(),
		program:          programName(os.Args[0]),
	}
	os.Exit(a.run(os.Args[1:]))
}

// programName is what a person types to run this program again: the name as
// it was typed, but for the temporary path of "go run".
func programName(arg0 string) string {
	if strings.HasPrefix(arg0, os.TempDir()) {
		return "daybook"
	}
	return arg0
}
