package daybook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/internal/need"
)

// What applications import must not move their dependencies.
func TestAnApplicationThatImportsDaybookRequiresNothingElse(t *testing.T) {
	goCommand := need.Command(t, "go")
	checkout, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	app := t.TempDir()
	write(t, app, "go.mod", "module app.example\n\ngo 1.26.0\n\nrequire daybook.dev v0.0.0\n\nreplace daybook.dev => "+checkout+"\n")
	write(t, app, "main.go", "package main\n\nimport \"daybook.dev\"\n\nfunc main() { _ = daybook.Event{Name: \"started\"} }\n")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(goCommand, args...)
		cmd.Dir = app
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}

	t.Run("its module graph is itself and daybook.dev", func(t *testing.T) {
		if got, want := run("list", "-m", "-f", "{{.Path}}", "all"), "app.example\ndaybook.dev"; got != want {
			t.Errorf("modules:\n%s\nwant:\n%s", got, want)
		}
	})
	t.Run("it compiles nothing but daybook.dev and Go's own packages", func(t *testing.T) {
		for p := range strings.FieldsSeq(run("list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")) {
			if p != "app.example" && p != "daybook.dev" && !strings.HasPrefix(p, "daybook.dev/internal/") {
				t.Errorf("it compiles %s", p)
			}
		}
	})
	t.Run("it builds without cgo, far from any workspace", func(t *testing.T) {
		t.Setenv("CGO_ENABLED", "0")
		run("build", "-o", filepath.Join(app, "app"), ".")
	})
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
