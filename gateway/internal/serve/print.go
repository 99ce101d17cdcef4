package serve

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Setting is one key with its effective value. Secrets are masked.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"` // "default" or where it was set
}

// Settings lists the effective value of every key.
func (c Config) Settings(from Origins) []Setting {
	c = c.withDefaults()
	var settings []Setting
	for _, k := range Keys() {
		settings = append(settings, Setting{Key: k.Name, Value: k.Text(c), From: from.Of(k.Name)})
	}
	return settings
}

// WriteYAML writes the effective configuration as a configuration file, each
// value with where it came from. Loading it again gives the same
// configuration, but for the secrets, which are masked.
func (c Config) WriteYAML(w io.Writer, from Origins) error {
	c = c.withDefaults()
	var b strings.Builder
	var open []string // the sections that the last line was in
	for _, k := range Keys() {
		path := strings.Split(k.Name, ".")
		sections, name := path[:len(path)-1], path[len(path)-1]
		for depth, section := range sections {
			if depth >= len(open) || !slices.Equal(open[:depth+1], sections[:depth+1]) {
				fmt.Fprintf(&b, "%s%s:\n", indent(depth), section)
			}
		}
		open = sections
		fmt.Fprintf(&b, "%-42s # %s\n", indent(len(sections))+name+": "+k.yaml(c), from.Of(k.Name))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// yaml writes the value as it stands in a file: texts in quotes, with ${
// escaped, everything else bare.
func (k Key) yaml(c Config) string {
	text := k.Text(c)
	if k.typ.Kind() != reflect.String {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", "$${"))
}
