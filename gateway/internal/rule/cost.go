package rule

import (
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxCost bounds an expression that loops over lists and objects, in CEL's
// units: about one for a step, or for 64 bytes of text. It is well under a
// second. The limit is of steps rather than of time: with a limit of time it
// would depend on how busy the machine is where an event goes.
const maxCost = 100_000

// bytesPerStep is how much text a call works through at the cost of a step.
const bytesPerStep = 64

// callCost makes calls in loops as dear as their arguments are long, where CEL
// takes them for a step each: a caller decides how long the texts are.
type callCost struct{}

// CallCost returns nil for what CEL knows better.
func (callCost) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if function == overloads.Matches {
		return nil
	}
	bytes := 0
	for _, arg := range args {
		switch v := arg.(type) {
		case types.String:
			bytes += len(v)
		case *object:
			bytes += len(v.raw)
		}
	}
	if bytes < bytesPerStep {
		return nil
	}
	steps := uint64(1 + bytes/bytesPerStep)
	return &steps
}
