package query_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/query/querytest"
	"daybook.dev/gateway/internal/store"
)

// five returns a store with the events 1 to 5, a minute apart, among records
// of other kinds and with gaps between the positions.
func five() *querytest.Memory {
	m := &querytest.Memory{}
	m.Page(2)
	for i := 1; i <= 5; i++ {
		m.Add(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Minute), 3)
		m.AddRecord(store.Record{Kind: store.KindSettled, Received: noon.Add(time.Duration(i) * time.Minute)}, 0)
	}
	return m
}

// names reads t to its end and returns the names of its events.
func names(t *testing.T, tail *query.Tail) []string {
	t.Helper()
	var names []string
	for {
		entries, err := tail.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Event.Name)
		}
	}
}

func TestATailThatDoesNotFollowReadsFromWhereItIsTold(t *testing.T) {
	at := func(p store.Position) *store.Position { return &p }
	for name, test := range map[string]struct {
		follow query.Follow
		want   []string
	}{
		"from now":                     {query.Follow{}, nil},
		"from the start":               {query.Follow{Start: true}, []string{"1", "2", "3", "4", "5"}},
		"from a time":                  {query.Follow{Since: noon.Add(3 * time.Minute)}, []string{"3", "4", "5"}},
		"from a time between":          {query.Follow{Since: noon.Add(3*time.Minute + 1)}, []string{"4", "5"}},
		"from a time to come":          {query.Follow{Since: noon.Add(time.Hour)}, nil},
		"the last one":                 {query.Follow{Last: 1}, []string{"5"}},
		"the last two":                 {query.Follow{Last: 2}, []string{"4", "5"}},
		"the last five":                {query.Follow{Last: 5}, []string{"1", "2", "3", "4", "5"}},
		"more than there are":          {query.Follow{Last: 1000}, []string{"1", "2", "3", "4", "5"}},
		"behind a position":            {query.Follow{After: at(14)}, []string{"4", "5"}},
		"behind zero":                  {query.Follow{After: at(0)}, []string{"1", "2", "3", "4", "5"}},
		"behind all":                   {query.Follow{After: at(25)}, nil},
		"behind a position, not start": {query.Follow{After: at(14), Start: true, Last: 1}, []string{"4", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.follow.NoFollow = true
			tail, err := query.Open(t.Context(), five(), test.follow)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, tail); !slices.Equal(got, test.want) {
				t.Errorf("read %v, want %v", got, test.want)
			}
		})
	}
}

func TestATailKnowsItsPlaceBeforeItHasReadAnything(t *testing.T) {
	behind4 := store.Position(14 + 5)
	for name, test := range map[string]struct {
		follow query.Follow
		want   []string
	}{
		"from now":      {query.Follow{}, nil},
		"the last two":  {query.Follow{Last: 2}, []string{"4", "5"}},
		"from a time":   {query.Follow{Since: noon.Add(3 * time.Minute)}, []string{"3", "4", "5"}},
		"from a place":  {query.Follow{After: &behind4}, []string{"5"}},
		"all there are": {query.Follow{Last: 9}, []string{"1", "2", "3", "4", "5"}},
	} {
		m := five()
		first, err := query.Open(t.Context(), m, test.follow)
		if err != nil {
			t.Fatal(err)
		}
		place := first.Position()
		again, err := query.Open(t.Context(), m, query.Follow{After: &place, NoFollow: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(t, again); !slices.Equal(got, test.want) {
			t.Errorf("%s: behind %d are %v, want %v", name, place, got, test.want)
		}
	}
}

func TestNoMoreThanTheLastEventsAreReadWhereTheyAreDense(t *testing.T) {
	m := &querytest.Memory{}
	for i := 1; i <= 10; i++ {
		m.Add(fmt.Sprint(i), noon, 0)
	}
	for range 10 {
		m.AddRecord(store.Record{Kind: store.KindSettled}, 0)
	}
	tail, err := query.Open(t.Context(), m, query.Follow{Last: 3, NoFollow: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, tail), []string{"8", "9", "10"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestTheLastEventsAreFoundWhereOldOnesAreForgotten(t *testing.T) {
	m := five()
	m.Forget(4)
	tail, err := query.Open(t.Context(), m, query.Follow{Last: 4, NoFollow: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, tail), []string{"3", "4", "5"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestAnEventThatArrivesWhileReadingIsBehindTheEnd(t *testing.T) {
	m := five()
	m.Page(100)
	tail, err := query.Open(t.Context(), m, query.Follow{Start: true, NoFollow: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Add("6", noon, 0) // within the page that is read next
	if got, want := names(t, tail), []string{"1", "2", "3", "4", "5"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestFollowingWaitsForTheNextEventAndCanBeTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := five()
		beyond := store.Position(1000)
		tail, err := query.Open(t.Context(), m, query.Follow{After: &beyond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := tail.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("without events: %v", err)
		}
		go func() {
			time.Sleep(time.Minute)
			m.AddRecord(store.Record{Kind: store.KindSummary}, 0)
			m.Add("6", noon, 0)
		}()
		entries, err := tail.Next(t.Context())
		if err != nil || len(entries) != 1 || entries[0].Event.Name != "6" {
			t.Errorf("read %v, %v; want the event 6", entries, err)
		}
	})
}

func TestAnErrorOfTheStoreIsHandedOn(t *testing.T) {
	m, broken := five(), errors.New("broken")
	tail, err := query.Open(t.Context(), m, query.Follow{Start: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Fail(broken)
	if _, err := tail.Next(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Next: %v", err)
	}
	for _, f := range []query.Follow{{Last: 3}, {Since: noon}} {
		if _, err := query.Open(t.Context(), m, f); !errors.Is(err, broken) {
			t.Errorf("Open %+v: %v", f, err)
		}
	}
}
