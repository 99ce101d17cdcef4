package serve

import (
	"fmt"
	"io"
	"reflect"
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
	section := ""
	for _, k := range Keys() {
		head, name, nested := strings.Cut(k.Name, ".")
		indent := ""
		if !nested {
			head, name = "", k.Name
		} else {
			indent = "  "
		}
		if head != section && nested {
			fmt.Fprintf(&b, "%s:\n", head)
		}
		section = head
		fmt.Fprintf(&b, "%-42s # %s\n", indent+name+": "+k.yaml(c), from.Of(k.Name))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml writes the value as it stands in a file: texts in quotes, with ${
// escaped, everything else bare.
func (k Key) yaml(c Config) string {
	text := k.Text(c)
	if k.typ.Kind() != reflect.String {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", "$${"))
}
