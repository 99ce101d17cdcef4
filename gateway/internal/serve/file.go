package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A fileValue is the text of one key in the configuration file.
type fileValue struct {
	text string
	at   string // daybook.yaml:3:5
}

// maxFileBytes is far above any real configuration. The parser's time grows with
// the square of some files, and a mistaken path must not keep it for minutes.
const maxFileBytes = 64 << 10

// A fileContent is what a configuration file says.
type fileContent struct {
	values       map[string]fileValue // by key name
	destinations []fileDestination    // in the order of the file
	callers      []fileCaller         // in the order of the file
	settings     []byte               // for clients, as JSON; nil = none

	redact  []fileItem
	rules   []fileItem
	schemas []fileSchema
}

// parseFile reads a YAML file. It knows only mappings of plain values: that is
// all a configuration needs, and each value then has one place. Destinations, and
// what is decided about events, may be passed over: their secrets are the
// gateway's own.
func parseFile(name string, text []byte, expand expander, destinations bool) (fileContent, error) {
	if len(text) > maxFileBytes {
		return fileContent{}, fmt.Errorf("%s: is larger than 64 KiB, which is no configuration", name)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return fileContent{}, syntaxError(name, err)
	}
	r := fileReader{name: name, expand: expand, keys: Keys(), passOver: !destinations}
	r.values = map[string]fileValue{}
	if len(file.Docs) > 1 {
		return fileContent{}, fmt.Errorf("%s: holds %d documents, must be one", name, len(file.Docs))
	}
	for _, doc := range file.Docs {
		r.section("", doc.Body)
	}
	return r.fileContent, errors.Join(r.problems...)
}

func syntaxError(name string, err error) error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	at := syntax.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, syntax.GetMessage())
}

// A fileReader walks the parsed file, or one destination in it, and collects
// values and problems.
type fileReader struct {
	name   string
	expand expander
	keys   keyTable
	below  string // what problems put before a key, such as "destinations.hook."

	passOver bool // destinations, callers, and what is decided about events

	fileContent
	problems []error
}

// section reads the mapping of the keys that begin with prefix.
func (r *fileReader) section(prefix string, node ast.Node) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.MappingNode:
		for _, entry := range n.Values {
			r.entry(prefix, entry)
		}
	case *ast.MappingValueNode:
		r.entry(prefix, n)
	default:
		r.problem(node, "%s", strings.TrimPrefix(strings.TrimSuffix(r.below+prefix, ".")+": must hold keys such as "+r.keys.example(prefix), ": "))
	}
}

// entry reads one key and what belongs to it.
func (r *fileReader) entry(prefix string, entry *ast.MappingValueNode) {
	name := entry.Key.GetToken().Value
	key := prefix + name
	known, ok := r.keys.find(key)
	switch {
	case strings.Contains(name, "."):
		r.unknown(key, entry.Key)
	case ok:
		r.value(known, entry.Value)
	case r.keys.isSection(key):
		r.section(key+".", entry.Value)
	case r.below == "" && key == destinationsKey:
		if !r.passOver {
			r.readDestinations(entry.Value)
		}
	case r.below == "" && key == callersKey:
		if !r.passOver {
			r.readCallers(entry.Value)
		}
	case r.below == "" && key == settingsKey:
		r.readSettings(entry.Value)
	case r.below == "" && slices.Contains(decidingKeys, key):
		r.readRules(key, entry.Value)
	default:
		r.unknown(key, entry.Key)
	}
}

func (r *fileReader) value(key Key, node ast.Node) {
	text, err := valueText(key, node)
	if errors.Is(err, errNull) {
		return
	}
	if err == nil && quotable(node) {
		text, err = r.expand.text(text)
	}
	if err != nil {
		r.problem(node, "%s: %w", r.below+key.Name, err)
		return
	}
	r.values[key.Name] = fileValue{text: text, at: r.place(node)}
}

func (r *fileReader) unknown(key string, node ast.Node) {
	at := node.GetToken().Position
	hint := ""
	var others []string
	if r.below == "" {
		others = append(append(others, destinationsKey, callersKey, settingsKey), decidingKeys...)
	}
	if near := r.keys.nearest(key, others...); near == key {
		hint = "; keys nest: write " + strings.ReplaceAll(key, ".", ": ")
	} else if near != "" {
		hint = "; did you mean " + near + "?"
	}
	r.problems = append(r.problems, fmt.Errorf("%s: %s: unknown key at line %d, column %d%s", r.name, r.below+key, at.Line, at.Column, hint))
}

func (r *fileReader) problem(node ast.Node, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(r.place(node)+": "+format, args...))
}

func (r *fileReader) place(node ast.Node) string {
	at := node.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", r.name, at.Line, at.Column)
}

var (
	errNull   = errors.New("no value")
	errScalar = errors.New("must be a single value")
)

// scalarText returns the value as it is written, so that every key is read by
// the same parser whether it comes from the file, a flag or the environment.
func scalarText(node ast.Node) (string, error) {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return "", errNull
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", errScalar
}

// valueText returns the value of a key. A list is the one text that flags and
// the environment have for it: separated by commas.
func valueText(key Key, node ast.Node) (string, error) {
	list, ok := node.(*ast.SequenceNode)
	if !ok || !key.takesList() {
		return scalarText(node)
	}
	texts := make([]string, len(list.Values))
	for i, item := range list.Values {
		text, err := scalarText(item)
		if err != nil {
			return "", err
		}
		texts[i] = text
	}
	return strings.Join(texts, ","), nil
}

// quotable reports whether the value is text, in which ${…} is replaced.
func quotable(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.SequenceNode:
		return true
	}
	return false
}
