package serve

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// itemSettings lists the effective value of every key of a list's elements.
func itemSettings[T any](list string, items []T, from Origins) (settings []Setting) {
	for i := range items {
		for _, k := range itemKeys[T]() {
			name := itemKey(list, i, k.Name)
			settings = append(settings, Setting{Key: name, Value: k.text(&items[i]), From: from.Of(name)})
		}
	}
	return settings
}

// writeItems writes a list as it stands in a file. What an element does not say is
// left out: most of it would be refused beside the rest.
func writeItems[T any](w io.Writer, list string, items []T, from Origins) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", list)
	for i := range items {
		dash := "- "
		for _, k := range itemKeys[T]() {
			if k.in(&items[i]).IsZero() {
				continue
			}
			fmt.Fprintf(w, "%-42s # %s\n", "  "+dash+k.Name+": "+k.yaml(&items[i]), from.Of(itemKey(list, i, k.Name)))
			dash = "  "
		}
		if dash == "- " {
			fmt.Fprintln(w, "  - {}")
		}
	}
}

// yaml is the schema as it stands in a file.
func (s *Schema) yaml() string {
	if s.File == "" {
		return string(s.Text)
	}
	return "{file: " + strconv.Quote(strings.ReplaceAll(s.File, "${", "$${")) + "}"
}
