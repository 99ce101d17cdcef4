package serve

import (
	"embed"
	"path"
	"strings"
)

//go:embed examples/*.yaml
var examples embed.FS

// Examples lists the names of the example configurations.
func Examples() []string {
	entries, _ := examples.ReadDir("examples") // embedded: it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Example returns an example configuration file, and false when there is none
// of that name.
func Example(name string) ([]byte, bool) {
	text, err := examples.ReadFile(path.Join("examples", path.Base(name)+".yaml"))
	return text, err == nil
}
