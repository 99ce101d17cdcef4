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
	settings = append(settings, c.callerSettings(from)...)
	for i := range c.Destinations {
		d := &c.Destinations[i]
		d.each(func(k Key, target any) {
			name := d.key(k.Name)
			settings = append(settings, Setting{Key: name, Value: k.text(target), From: from.Of(name)})
		})
	}
	settings = append(settings, itemSettings(redactKey, c.Redact, from)...)
	settings = append(settings, itemSettings(rulesKey, c.Rules, from)...)
	for _, s := range c.Schemas {
		key := schemasKey + "." + s.Name
		settings = append(settings, Setting{Key: key, Value: s.yaml(), From: from.Of(key)})
	}
	return settings
}

// WriteYAML writes the effective configuration as a configuration file, each
// value with where it came from. Loading it again gives the same
// configuration, but for the secrets, which are masked.
func (c Config) WriteYAML(w io.Writer, from Origins) error {
	c = c.withDefaults()
	var lines yamlLines
	for _, k := range Keys() {
		lines.add(k.Name, k.yaml(&c), from.Of(k.Name))
	}
	lines.text.WriteString(c.callersYAML(from))
	for i := range c.Destinations {
		d := &c.Destinations[i]
		d.each(func(k Key, target any) {
			lines.add(d.key(k.Name), k.yaml(target), from.Of(d.key(k.Name)))
		})
	}
	writeItems(&lines.text, redactKey, c.Redact, from)
	writeItems(&lines.text, rulesKey, c.Rules, from)
	for i, s := range c.Schemas {
		if i == 0 {
			fmt.Fprintf(&lines.text, "%s:\n", schemasKey)
		}
		fmt.Fprintf(&lines.text, "  %s: %s\n", s.Name, s.yaml())
	}
	if c.ClientSettings != nil {
		fmt.Fprintf(&lines.text, "%s: %s\n", settingsKey, c.ClientSettings)
	}
	_, err := io.WriteString(w, lines.text.String())
	return err
}

// yamlLines writes values below their sections.
type yamlLines struct {
	text strings.Builder
	open []string // the sections that the last line was in
}

func (l *yamlLines) add(name, value, from string) {
	path := strings.Split(name, ".")
	sections, last := path[:len(path)-1], path[len(path)-1]
	for depth, section := range sections {
		if depth >= len(l.open) || !slices.Equal(l.open[:depth+1], sections[:depth+1]) {
			fmt.Fprintf(&l.text, "%s%s:\n", indent(depth), section)
		}
	}
	l.open = sections
	fmt.Fprintf(&l.text, "%-42s # %s\n", indent(len(sections))+last+": "+value, from)
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// yaml writes the value as it stands in a file: texts in quotes, with ${
// escaped, everything else bare.
func (k Key) yaml(target any) string {
	text := k.text(target)
	if k.typ.Kind() != reflect.String {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", "$${"))
}
