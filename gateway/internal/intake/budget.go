package intake

import (
	"fmt"
	"sync/atomic"
	"time"

	"daybook.dev"
)

// retrySoon is the advice to a caller who was refused for want of memory: the
// requests that hold it take milliseconds.
const retrySoon = time.Second

// A Budget bounds the bytes that requests in flight hold. Nobody waits for it:
// a request that does not fit is refused at once, while those already admitted
// go on. It is safe for concurrent use.
type Budget struct {
	// Shed is told the reason whenever a request is refused for want of
	// memory. Nil means nobody is. Set it before the first use.
	Shed func(reason string)

	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of that many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{limit: bytes} }

// Used is how many bytes are held now.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// take charges n bytes, or refuses and charges nothing. A nil budget has no
// limit.
func (b *Budget) take(n int64) *daybook.Error {
	if b == nil || b.used.Add(n) <= b.limit {
		return nil
	}
	b.used.Add(-n)
	if b.Shed != nil {
		b.Shed(ReasonMemoryExhausted)
	}
	return &daybook.Error{
		Code: daybook.Exhausted, Reason: ReasonMemoryExhausted, RetryAfter: retrySoon,
		Message: "the gateway has no memory left for this request; try again shortly",
	}
}

func (b *Budget) give(n int64) {
	if b != nil {
		b.used.Add(-n)
	}
}

// A Lease is what one request holds of a budget. The zero value holds nothing
// of none. It is not safe for concurrent use.
type Lease struct {
	budget *Budget
	held   int64
}

// Lease returns a lease that holds nothing yet. A nil budget's has no limit.
func (b *Budget) Lease() Lease { return Lease{budget: b} }

// Grow charges n more bytes. An error means that they are not there, and
// nothing was charged. A request that needs more than the whole budget is told
// so: waiting would not help it.
func (l *Lease) Grow(n int64) *daybook.Error {
	if l.budget != nil && l.held+n > l.budget.limit {
		return refusal(daybook.TooLarge, ReasonBodyTooLarge,
			fmt.Sprintf("the request needs more memory than the %d bytes that all requests may use together; send it in parts", l.budget.limit))
	}
	if err := l.budget.take(n); err != nil {
		return err
	}
	l.held += n
	return nil
}

// Shrink returns n bytes.
func (l *Lease) Shrink(n int64) {
	l.budget.give(n)
	l.held -= n
}

// Release returns everything. Idempotent.
func (l *Lease) Release() {
	l.budget.give(l.held)
	l.held = 0
}
