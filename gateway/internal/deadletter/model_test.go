package deadletter_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
)

// A model is what the index has to be equal to: for each dead letter the last
// record about it, in the order of the records, and nothing clever.
type model struct {
	most, perCaller int
	letters         []modelLetter // oldest record first
	unlisted        uint64
	expired         uint64
}

type modelLetter struct {
	destination string
	position    store.Position
	record      store.Position
	caller      string
	reason      string
}

func (m *model) remove(destination string, position store.Position) {
	m.letters = slices.DeleteFunc(m.letters, func(l modelLetter) bool { return l.destination == destination && l.position == position })
}

func (m *model) add(l modelLetter) {
	m.remove(l.destination, l.position)
	m.letters = append(m.letters, l)
	own := slices.DeleteFunc(slices.Clone(m.letters), func(o modelLetter) bool { return o.caller != l.caller })
	if len(own) > m.perCaller {
		m.unlisted++
		m.remove(own[0].destination, own[0].position)
	}
	if len(m.letters) > m.most {
		m.unlisted++
		m.letters = m.letters[1:]
	}
}

func (m *model) forget(oldest store.Position) {
	for len(m.letters) > 0 && m.letters[0].record < oldest {
		m.expired++
		m.letters = m.letters[1:]
	}
}

func (m *model) lines() []string {
	var all []string
	for _, l := range slices.Backward(m.letters) {
		all = append(all, fmt.Sprint(l.destination, " ", l.position, " ", l.record, " ", l.caller, " ", l.reason))
	}
	return all
}

func TestTheIndexEqualsAListOfTheLastRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{most: rapid.IntRange(1, 12).Draw(t, "most"), perCaller: rapid.IntRange(1, 8).Draw(t, "perCaller")}
		source := &memory{}
		source.Page(rapid.IntRange(1, 5).Draw(t, "page"))
		options := deadletter.Options{
			Data: "/data", Store: "one.1", Source: source, Write: (&destination{}).write, Most: m.most, PerCaller: m.perCaller, FS: newDisk(t, 1),
		}
		index := deadletter.Open(options)
		at := rapid.Custom(func(t *rapid.T) store.Position { return store.Position(rapid.IntRange(1, 6).Draw(t, "position")) })
		word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
		kept := 0

		t.Repeat(map[string]func(*rapid.T){
			"an event": func(*rapid.T) { source.AddRecord(event("e"), 0); kept++ },
			"refused by a destination": func(t *rapid.T) {
				l := modelLetter{destination: word("destination", "kafka", "postgres"), position: at.Draw(t, "at"), caller: word("caller", "a", "b", "c"), reason: word("reason", "x", "y")}
				r := refused("e", l.destination, l.position)
				r.Caller, r.Refusal.Reason = l.caller, l.reason
				l.record = source.AddRecord(r, 0)
				kept++
				m.add(l)
			},
			"refused by the gateway": func(*rapid.T) {
				r := refused("e", "", 0)
				p := source.AddRecord(r, 0)
				kept++
				m.add(modelLetter{position: p, record: p, caller: r.Caller, reason: r.Refusal.Reason})
			},
			"settled": func(t *rapid.T) {
				r := settled(word("destination", "kafka", "postgres", ""), at.Draw(t, "at"), 0, word("reason", "x", "y"))
				r.Settlement.Status = daybook.Status(rapid.IntRange(0, int(daybook.Failed)).Draw(t, "status"))
				p := source.AddRecord(r, 0)
				kept++
				switch s := r.Settlement; s.Status {
				case daybook.Stored, daybook.Dropped, daybook.Duplicate:
					m.remove(s.Destination, s.Position)
				default:
					m.add(modelLetter{s.Destination, s.Position, p, r.Caller, s.Reason})
				}
			},
			"forget": func(t *rapid.T) {
				// What is taken in late could have expired by then.
				check(t, index, &m)
				if n := rapid.IntRange(0, 3).Draw(t, "records"); n < kept {
					source.Forget(n)
					kept -= n
					oldest, _ := source.Bounds()
					m.forget(oldest)
				}
			},
			"start again": func(t *rapid.T) {
				check(t, index, &m)
				stopped(t, index)
				index = deadletter.Open(options)
			},
			"": func(t *rapid.T) { check(t, index, &m) },
		})
	})
}
