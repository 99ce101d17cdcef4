package serve_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
	"daybook.dev/internal/need"
)

// root is the repository's folder, seen from this one.
const root = "../../.."

// A snippet is a fenced block of a document: ```sh run=NAME is run, and prints
// what ```text says=NAME has.
type snippet struct {
	language string
	text     string
	about    map[string]string // what follows the language
}

const fence = "```"

func snippetsOf(t *testing.T, document string) []snippet {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	inside := false
	for line := range strings.Lines(string(text)) {
		opening, fenced := strings.CutPrefix(line, fence)
		switch {
		case fenced && inside:
			inside = false
		case fenced:
			inside = true
			all = append(all, opened(opening))
		case inside:
			all[len(all)-1].text += line
		}
	}
	return all
}

// opened is the snippet that begins with the rest of its fence's line.
func opened(line string) snippet {
	s := snippet{about: map[string]string{}}
	for word := range strings.FieldsSeq(line) {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			s.language = word
			continue
		}
		s.about[key] = value
	}
	return s
}

// named returns the snippet whose about says key=name.
func named(t *testing.T, all []snippet, key, name string) snippet {
	t.Helper()
	for _, s := range all {
		if s.about[key] == name {
			return s
		}
	}
	t.Fatalf("no snippet has %s=%s", key, name)
	return snippet{}
}

// TestTheSnippetsOfTheDocumentsWork runs every snippet as a reader would, each
// against a gateway of its own.
func TestTheSnippetsOfTheDocumentsWork(t *testing.T) {
	bin, err := filepath.Abs(filepath.Join(root, ".bin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")) // the tools that `make` has built
	all := snippetsOf(t, "docs/protocols.md")
	ran := 0
	for _, s := range all {
		name, ok := s.about["run"]
		if !ok {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			g := start(t, serve.Config{})
			local := strings.NewReplacer("http://127.0.0.1:8080", g.IngestURL(), "http://127.0.0.1:8081", g.OperationsURL(),
				"127.0.0.1:8080", strings.TrimPrefix(g.IngestURL(), "http://"))
			got := runSnippet(t, s.language, local.Replace(s.text))
			if want := named(t, all, "says", name).text; !matches(want, got) {
				t.Errorf("it prints\n%s\nand the document says\n%s", got, want)
			}
		})
	}
	if ran < 9 {
		t.Errorf("only %d snippets were found to run", ran)
	}
}

func runSnippet(t *testing.T, language, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var command *exec.Cmd
	switch language {
	case "sh":
		for _, tool := range []string{"sh", "curl", "grpcurl"} {
			if tool == "sh" || strings.Contains("\n"+text, "\n"+tool+" ") {
				need.Command(t, tool)
			}
		}
		command = exec.CommandContext(ctx, "sh", "-euc", text)
	case "go":
		command = exec.CommandContext(ctx, need.Command(t, "go"), "run", ".")
		command.Dir = programOf(t, text)
		command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	default:
		t.Fatalf("nobody knows how to run %s", language)
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return string(output)
}

// programOf writes a program down as a module that uses this repository's.
func programOf(t *testing.T, text string) string {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	module := "module snippet\n\ngo 1.26\n"
	if strings.Contains(text, `"daybook.dev"`) {
		module += "\nrequire daybook.dev v0.0.0\n\nreplace daybook.dev => " + here + "\n"
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"main.go": text, "go.mod": module} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// matches compares what a snippet prints with what the document says, where …
// stands for anything and blanks at the end of a line do not count.
func matches(want, got string) bool {
	pattern := regexp.QuoteMeta(strings.TrimSpace(want))
	pattern = strings.ReplaceAll(pattern, "…", "(?s:.*?)")
	pattern = strings.ReplaceAll(pattern, "\n", `\s*\n`)
	return regexp.MustCompile(`^` + pattern + `\s*$`).MatchString(strings.TrimSpace(got))
}
