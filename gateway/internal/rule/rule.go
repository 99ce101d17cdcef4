// Package rule decides about events by what the configuration says: [Match] is
// an expression that picks events, [Projection] a list of the fields that leave.
// Both are compiled once, and a mistake in them is a sentence with a place.
//
// Expressions are CEL, the Common Expression Language. They see an event as a
// row shows it:
//
//	event_id event_name event_type actor_id    strings; "" where the event has none
//	caller protocol instance                   strings; who sent it, how, and to which gateway
//	event_ts ingested_at                       timestamps
//	sample_rate                                the share that was kept: 1.0 where nothing was sampled
//	metadata                                   the object; members by name: metadata.plan, metadata["my plan"]
//
// An expression about a member that the metadata does not have is no match, as
// is one about a member of something that is no object: metadata.a.b where there
// is no a. That is so for `metadata.plan != "pro"` and for `!(metadata.plan ==
// "pro")` too; has(metadata.plan) asks, and a || whose other side is true does
// not care.
//
// Whole numbers are ints where 64 bits hold them and uints where those do; all
// others are doubles, which have about 16 digits, and infinite beyond 1.8e308.
// Comparisons take any two numbers; for arithmetic say double(metadata.n).
package rule

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"daybook.dev/gateway/internal/store"
)

// maxExpression is far above what a person writes, in characters.
const maxExpression = 16 << 10

// A Failure is why an expression said nothing about an event: which counts as
// no match.
type Failure string

const (
	// WrongType means that a value is not what the expression takes it for, such
	// as metadata.n > 5 where n is a text.
	WrongType Failure = "wrong_type"

	// TooCostly means that a loop over the event's metadata was cut off.
	TooCostly Failure = "too_costly"
)

// A Match is an expression that is true or false about an event. It is safe for
// concurrent use.
type Match struct {
	// Failed is told of every evaluation that failed. Nil means nobody is. Set it
	// before the first use. A member that is absent is no failure.
	Failed func(Failure)

	text    string
	program cel.Program
	lookups map[int64]bool // the expression's nodes that look up a member
}

// Compile compiles an expression. The error, whose code is Invalid, says at
// which column what is wrong, and the nearest name where one is misspelt.
func Compile(expression string) (*Match, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, refusal("the expression is empty; leave it out to match every event")
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		return nil, explain(env, nil, issues)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, explain(env, parsed, issues)
	}
	if err := decides(checked); err != nil {
		return nil, err
	}
	if err := constantPatterns(checked); err != nil {
		return nil, err
	}
	program, err := plan(env, checked)
	if err != nil {
		return nil, err
	}
	return &Match{text: expression, program: program, lookups: lookups(checked)}, nil
}

// String returns the expression.
func (m *Match) String() string { return m.text }

// Matches reports whether the expression is true of the event of r. It keeps
// nothing of r.
func (m *Match) Matches(r *store.Record) bool {
	v := variablesOf(r)
	defer v.release()
	return m.evaluate(v)
}

// First returns a function that says which of the expressions is the first that is
// true of the event of a record: its index, or -1 where none is. A nil Match is
// true of every event. The function is safe for concurrent use; what the event has
// is read once for all of them.
func First(matches []*Match) func(*store.Record) int {
	return func(r *store.Record) int {
		v := variablesOf(r)
		defer v.release()
		for i, m := range matches {
			if m == nil || m.evaluate(v) {
				return i
			}
		}
		return -1
	}
}

func (m *Match) evaluate(v *variables) bool {
	result, _, err := m.program.Eval(v)
	if err != nil {
		m.failed(err)
		return false
	}
	return result == types.True
}

// failed tells whoever wants to know, unless the reason is an absent member.
func (m *Match) failed(err error) {
	if m.Failed == nil {
		return
	}
	switch e := err.(type) { //nolint:errorlint // the evaluator's own two types, which it does not wrap
	case interpreter.EvalCancelledError:
		m.Failed(TooCostly)
	case *types.Err:
		if !m.lookups[e.NodeID()] {
			m.Failed(WrongType)
		}
	default:
		m.Failed(WrongType)
	}
}

// plan makes the program. Only an expression that loops can cost more than its
// own length times the event's, so only those are watched.
func plan(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if anywhere(checked, func(e ast.Expr) bool { return e.Kind() == ast.ComprehensionKind }) {
		options = append(options, cel.CostTracking(callCost{}), cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, refusal("the expression cannot be used: " + err.Error())
	}
	return program, nil
}

// decides refuses an expression that is something else than true or false.
func decides(checked *cel.Ast) error {
	kind := checked.OutputType()
	if kind.IsExactType(cel.BoolType) {
		return nil
	}
	at := checked.NativeRep().SourceInfo().GetStartLocation(checked.NativeRep().Expr().ID())
	if kind.IsExactType(cel.DynType) {
		return refusalAt(at, "this can be anything, and must be true or false: compare it, as in metadata.vip == true")
	}
	return refusalAt(at, "this is a "+kind.String()+", and must be true or false: compare it, as in event_name == \"login\"")
}

// constantPatterns refuses regular expressions that come out of events: whoever
// sends one would decide what an evaluation costs.
func constantPatterns(checked *cel.Ast) error {
	var found error
	anywhere(checked, func(e ast.Expr) bool {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return false
		}
		args := e.AsCall().Args()
		pattern := args[len(args)-1]
		if problem := patternProblem(pattern); problem != "" {
			found = refusalAt(checked.NativeRep().SourceInfo().GetStartLocation(pattern.ID()), problem)
		}
		return found != nil
	})
	return found
}

func patternProblem(pattern ast.Expr) string {
	if pattern.Kind() != ast.LiteralKind {
		return "the pattern of matches must be a text in quotes"
	}
	text, _ := pattern.AsLiteral().Value().(string)
	if _, err := regexp.Compile(text); err != nil {
		return err.Error()
	}
	return ""
}

// lookups returns the nodes that look up a member or an element: an error of
// theirs means that it is absent.
func lookups(checked *cel.Ast) map[int64]bool {
	ids := map[int64]bool{}
	anywhere(checked, func(e ast.Expr) bool {
		if e.Kind() == ast.SelectKind || e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index {
			ids[e.ID()] = true
		}
		return false
	})
	return ids
}

// anywhere reports whether found returns true for a node of the expression.
func anywhere(checked *cel.Ast, found func(ast.Expr) bool) bool {
	yes := false
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) { yes = yes || found(e) }))
	return yes
}
