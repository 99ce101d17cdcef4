package rule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"

	"daybook.dev"
	"daybook.dev/gateway/internal/nearest"
)

// refusal is the error of an expression or a list that cannot be used.
func refusal(message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Reason: "bad_rule", Message: message}
}

// refusalAt is a refusal with a place. Most expressions have one line, and then
// only the column is worth saying.
func refusalAt(at common.Location, message string) *daybook.Error {
	if at.Line() > 1 {
		return refusal(fmt.Sprintf("line %d, column %d: %s", at.Line(), at.Column()+1, message))
	}
	return refusal(fmt.Sprintf("column %d: %s", max(at.Column(), 0)+1, message))
}

// explain returns the first of the issues as an error. Where a name is not known
// it names the one that was probably meant; parsed is nil where there was
// nothing to understand.
func explain(env *cel.Env, parsed *cel.Ast, issues *cel.Issues) error {
	first := slices.MinFunc(issues.Errors(), func(a, b *cel.Error) int {
		return cmp.Or(cmp.Compare(a.Location.Line(), b.Location.Line()), cmp.Compare(a.Location.Column(), b.Location.Column()))
	})
	message := first.Message
	if parsed != nil {
		message = cmp.Or(unknownName(env, parsed, first.ExprID), message)
	}
	return refusalAt(first.Location, message)
}

// unknownName returns the sentence about a node that names what does not exist,
// or "" when the node is about something else.
func unknownName(env *cel.Env, parsed *cel.Ast, id int64) string {
	var sentence string
	anywhere(parsed, func(e ast.Expr) bool {
		switch {
		case e.ID() != id:
			return false
		case e.Kind() == ast.IdentKind:
			sentence = unknownVariable(e.AsIdent())
		case e.Kind() == ast.CallKind && !env.HasFunction(e.AsCall().FunctionName()):
			sentence = unknownFunction(env, e.AsCall().FunctionName())
		}
		return true
	})
	return sentence
}

func unknownVariable(name string) string {
	names := make([]string, len(declared))
	for i := range declared {
		names[i] = declared[i].name
	}
	if slices.Contains(names, name) {
		return ""
	}
	if near := nearest.Name(name, slices.Values(names)); near != "" {
		return fmt.Sprintf("there is no %s; did you mean %s?", name, near)
	}
	return fmt.Sprintf("there is no %s; a member of the metadata is metadata.%s, and the others are %s", name, name, strings.Join(names, ", "))
}

func unknownFunction(env *cel.Env, name string) string {
	if near := nearest.Name(name, maps.Keys(env.Functions())); near != "" {
		return fmt.Sprintf("there is no function %s; did you mean %s?", name, near)
	}
	return fmt.Sprintf("there is no function %s", name)
}
