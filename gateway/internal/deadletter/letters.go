package deadletter

import (
	"iter"
	"slices"
	"unique"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// letters are the open dead letters as the records up to one position say, a
// function of those records and of the bounds alone. It is for one goroutine at
// a time.
type letters struct {
	most      int // letters in memory
	perCaller int // of them, of one caller

	through store.Position // every record up to here is taken in

	open     map[key]*letter
	all      queue
	byCaller map[text]*queue

	unlisted uint64 // letters let go because there were too many
	expired  uint64 // letters whose records are no longer kept
	version  uint64 // one more with every change of the above but through
}

func newLetters(most, perCaller int) *letters {
	return &letters{most: most, perCaller: perCaller, open: map[key]*letter{}, byCaller: map[text]*queue{}}
}

// take takes in the next records, in order: everything of the kinds refused and
// settled up to position through.
func (s *letters) take(entries []store.Entry, through store.Position) {
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Refusal != nil:
			s.add(refused(e))
		case e.Settlement != nil:
			s.settle(e)
		}
	}
	s.through = through
}

// settle takes in what a destination, or an operator, has said about an event.
func (s *letters) settle(e *store.Entry) {
	switch e.Settlement.Status {
	case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		s.close(key{unique.Make(e.Settlement.Destination), e.Settlement.Position})
	default:
		s.add(unforwarded(e))
	}
}

// add adds a letter, in the place of an older one about the same.
func (s *letters) add(l *letter) {
	s.version++
	if old := s.open[l.key]; old != nil {
		// What the newer record leaves out was said before.
		if l.name.Value() == "" {
			l.name = old.name
		}
		s.remove(old)
	}
	s.open[l.key] = l
	s.all.push(l)
	own := s.byCaller[l.caller]
	if own == nil {
		own = &queue{}
		s.byCaller[l.caller] = own
	}
	own.push(l)
	if own.open > s.perCaller {
		s.letGo(own.oldest())
	}
	if len(s.open) > s.most {
		s.letGo(s.all.oldest())
	}
}

func (s *letters) letGo(l *letter) {
	s.unlisted++
	s.remove(l)
}

func (s *letters) close(k key) {
	if l := s.open[k]; l != nil {
		s.version++
		s.remove(l)
	}
}

func (s *letters) remove(l *letter) {
	l.gone = true
	delete(s.open, l.key)
	s.all.open--
	own := s.byCaller[l.caller]
	if own.open--; own.open == 0 {
		delete(s.byCaller, l.caller)
	}
}

// expire forgets the letters whose newest record lies before the oldest record
// kept: the event, which came before it, is gone then, too.
func (s *letters) expire(oldest store.Position) {
	for l := s.all.oldest(); l != nil && l.record < oldest; l = s.all.oldest() {
		s.expired++
		s.version++
		s.remove(l)
	}
}

// newestFirst is the open letters, beginning with the one whose record is the
// newest.
func (s *letters) newestFirst() iter.Seq[*letter] {
	return func(yield func(*letter) bool) {
		for _, l := range slices.Backward(s.all.letters) {
			if !l.gone && !yield(l) {
				return
			}
		}
	}
}

// oldestFirst is the open letters the other way round.
func (s *letters) oldestFirst() iter.Seq[*letter] {
	return func(yield func(*letter) bool) {
		for _, l := range s.all.letters {
			if !l.gone && !yield(l) {
				return
			}
		}
	}
}
