package telemetrygateway

import (
	"sync"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// maxAnswerBytes is how many bytes of answers a stream may have waiting for its
// client to read them: the ids of some 800,000 events.
const maxAnswerBytes = 32 << 20

// answers is the queue between the goroutine that receives and the one that sends.
// Clients send everything before they read anything, so that answers must wait
// somewhere; what waits is bounded, and charged to the memory budget.
type answers struct {
	mu      sync.Mutex
	changed sync.Cond // of anything below, which mu guards

	lease   intake.Lease
	waiting [][]byte
	bytes   int  // waiting or being sent
	closed  bool // no more will come
	broken  bool // nobody sends any more
}

func newAnswers(budget *intake.Budget) *answers {
	q := &answers{lease: budget.Lease()}
	q.changed.L = &q.mu
	return q
}

// put adds an answer and waits while too much is waiting; an answer that is by
// itself too much waits until it is alone. An error means that there is no memory
// for it. Once nobody sends, it is dropped: the client has left.
func (q *answers) put(answer []byte) *daybook.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes > 0 && q.bytes+len(answer) > maxAnswerBytes && !q.broken {
		q.changed.Wait()
	}
	if q.broken {
		return nil
	}
	if err := q.lease.Grow(int64(len(answer))); err != nil {
		return err
	}
	q.waiting = append(q.waiting, answer)
	q.bytes += len(answer)
	q.changed.Broadcast()
	return nil
}

// close says that no more answers come.
func (q *answers) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// drain gives the answers to send in their order until there are no more, or send
// fails, whose error it returns.
func (q *answers) drain(send func(answer []byte) error) error {
	for {
		answer, ok := q.next()
		if !ok {
			return nil
		}
		if err := send(answer); err != nil {
			q.abandon()
			return err
		}
		q.sent(len(answer))
	}
}

func (q *answers) next() (answer []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 {
		return nil, false
	}
	answer = q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return answer, true
}

func (q *answers) sent(bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	q.lease.Shrink(int64(bytes))
	q.changed.Broadcast()
}

func (q *answers) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken, q.waiting, q.bytes = true, nil, 0
	q.lease.Release()
	q.changed.Broadcast()
}
