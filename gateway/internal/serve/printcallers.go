package serve

import (
	"strings"
)

// each calls use with every key of the caller that says something.
func (c *Caller) each(use func(k Key)) {
	for _, k := range callerKeys() {
		if !k.in(c).IsZero() {
			use(k)
		}
	}
}

// callerSettings lists the effective values of the callers of the file. Those of
// the file of callers are its own: daybook keys list shows them.
func (c Config) callerSettings(from Origins) []Setting {
	var settings []Setting
	for i := range c.Callers {
		who := &c.Callers[i]
		who.each(func(k Key) {
			name := who.key(k.Name)
			settings = append(settings, Setting{Key: name, Value: k.text(who), From: from.Of(name)})
		})
	}
	return settings
}

// callersYAML writes the callers as they stand in a configuration file.
func (c Config) callersYAML(from Origins) string {
	if len(c.Callers) == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString(callersKey + ":\n")
	for i := range c.Callers {
		who := &c.Callers[i]
		var lines yamlLines
		who.each(func(k Key) { lines.add(k.Name, k.yaml(who), from.Of(who.key(k.Name))) })
		dash := "  - "
		for line := range strings.Lines(lines.text.String()) {
			text.WriteString(dash + line)
			dash = "    "
		}
	}
	return text.String()
}
