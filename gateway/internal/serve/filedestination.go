package serve

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"daybook.dev/gateway/internal/nearest"
)

// destinationsKey is the key below which each key is the name of a destination.
const destinationsKey = "destinations"

// A fileDestination is one destination as the file has it.
type fileDestination struct {
	name, kind string
	at         string               // daybook.yaml:3:5
	values     map[string]fileValue // by key name
}

// A destination's name is a file's name, a label of metrics and a word on the
// command line.
var destinationName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// readDestinations reads the mapping from names to what belongs to them.
func (r *fileReader) readDestinations(node ast.Node) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.MappingNode:
		for _, entry := range n.Values {
			r.readDestination(entry)
		}
	case *ast.MappingValueNode:
		r.readDestination(n)
	default:
		r.problem(node, "destinations: must hold a name for each destination, and below it keys such as type")
	}
}

// readDestination reads one. Its keys follow from its type.
func (r *fileReader) readDestination(entry *ast.MappingValueNode) {
	d := fileDestination{name: entry.Key.GetToken().Value, at: r.place(entry.Key)}
	below := destinationsKey + "." + d.name
	if !destinationName.MatchString(d.name) || d.name == journalStore {
		r.problem(entry.Key, "%s: a destination's name has small letters, digits, - and _, begins with a letter, and is not %s", below, journalStore)
		return
	}
	d.kind = kindOf(entry.Value)
	k, ok := kindNamed(d.kind)
	if !ok {
		r.problem(entry.Key, "%s.type: %s", below, wrongKind(d.kind))
		return
	}
	inner := fileReader{name: r.name, expand: r.expand, keys: k.keys(), below: below + "."}
	inner.values = map[string]fileValue{}
	inner.section("", entry.Value)
	d.values = inner.values
	r.problems = append(r.problems, inner.problems...)
	r.destinations = append(r.destinations, d)
}

// kindOf returns the text of the member type, which decides about the others.
func kindOf(node ast.Node) string { return memberText(node, "type") }

// memberText returns the text of one member of a mapping, or "" where there is
// none.
func memberText(node ast.Node, name string) string {
	var entries []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	}
	i := slices.IndexFunc(entries, func(e *ast.MappingValueNode) bool { return e.Key.GetToken().Value == name })
	if i < 0 {
		return ""
	}
	text, err := scalarText(entries[i].Value)
	if err != nil {
		return ""
	}
	return text
}

func wrongKind(word string) string {
	words := kindWords()
	if word == "" {
		return "is missing: it is one of " + strings.Join(words, ", ")
	}
	text := fmt.Sprintf("%q is not one of: %s", word, strings.Join(words, ", "))
	if near := nearest.Name(word, slices.Values(words)); near != "" {
		text += "; did you mean " + near + "?"
	}
	return text
}
