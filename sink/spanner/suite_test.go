package spanner_test

import (
	"testing"

	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner"
	"daybook.dev/sink/spanner/spannertest"
)

func TestSinkOnTheFake(t *testing.T)     { suite(t, spannertest.StartFake(t)) }
func TestSinkOnTheEmulator(t *testing.T) { suite(t, spannertest.StartEmulator(t)) }

func suite(t *testing.T, s server) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		_, database := open(t, s)
		r := startRelay(t, s.Address())
		return sinktest.Target{
			Sink:    openOn(t, spanner.Config{Database: database, Emulator: r.at}),
			Arrived: func(t *testing.T, _ int) []sinktest.Arrival { return arrived(t, s, database) },
			Break:   r.Break, Mend: r.Mend, Hang: r.Hang,
		}
	}, sinktest.Traits{
		Deduplicates: true, Partial: true, ExactNumbers: true,
		Bad: func(e daybook.Event) daybook.Event {
			e.Name = "a\xff"
			return e
		},
		Expect: func(e daybook.Event) sinktest.Arrival {
			return sinktest.Arrival{ID: sink.RowID(&e), Name: e.Name, Metadata: e.Metadata}
		},
		// The relay that Mend has started again.
		Ignore: []goleak.Option{goleak.IgnoreAnyFunction("daybook.dev/sink/spanner_test.(*relay).accept"), goleak.IgnoreAnyFunction("daybook.dev/sink/spanner_test.(*relay).copy")},
	})
}

// arrived returns what the table has: a row is committed when Write returns, so
// there is nothing to wait for.
func arrived(t *testing.T, s server, database string) (got []sinktest.Arrival) {
	t.Helper()
	for _, r := range stored(t, s, database, "event_id", "event_name", "metadata", "metadata_text") {
		a := sinktest.Arrival{ID: r[0], Name: r[1]}
		switch {
		case r[3] != "NULL":
			a.Metadata = []byte(r[3])
		case r[2] != "NULL":
			a.Metadata = []byte(r[2])
		}
		got = append(got, a)
	}
	return got
}
