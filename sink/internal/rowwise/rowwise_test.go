package rowwise_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/internal/rowwise"
)

type row struct {
	event *daybook.Event
	index int
}

func (r row) Event() (*daybook.Event, int) { return r.event, r.index }

// A table takes rows unless one of a part is called bad. From its nth call on
// it is down.
type table struct {
	down  int
	calls int
	has   []string
}

func (t *table) store(part []row) *daybook.Error {
	if t.calls++; t.down > 0 && t.calls >= t.down {
		return &daybook.Error{Code: daybook.Unavailable, Reason: "down"}
	}
	for _, r := range part {
		if strings.HasPrefix(r.event.ID, "bad") {
			return &daybook.Error{Code: daybook.Invalid, Reason: "bad"}
		}
	}
	for _, r := range part {
		t.has = append(t.has, r.event.ID)
	}
	return nil
}

func none(_ row, err *daybook.Error) *daybook.Error { return err }

func rows(ids ...string) (rows []row) {
	for i, id := range ids {
		rows = append(rows, row{&daybook.Event{ID: id}, i})
	}
	return rows
}

// outcomes returns what a partial error says, as "id status reason index".
func outcomes(err error) (texts []string) {
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		return nil
	}
	for _, o := range partial.Failed {
		why, _ := errors.AsType[*daybook.Error](o.Err)
		texts = append(texts, fmt.Sprint(o.ID, " ", o.Status, " ", o.Reason, " ", why.Index))
	}
	return texts
}

func TestBadRowsAreNamedAndTheOthersAreStored(t *testing.T) {
	for n := 1; n <= 20; n++ {
		for bad := range n {
			ids := make([]string, n)
			var good []string
			for i := range ids {
				if ids[i] = fmt.Sprint("good", i); i == bad || i == n/2 {
					ids[i] = fmt.Sprint("bad", i)
					continue
				}
				good = append(good, ids[i])
			}
			var to table
			err := rowwise.Store([][]row{rows(ids...)}, nil, to.store, none)
			if !slices.Equal(to.has, good) {
				t.Errorf("%v: stored %v", ids, to.has)
			}
			if want := n - len(good); len(outcomes(err)) != want || daybook.CodeOf(err) != daybook.Invalid {
				t.Errorf("%v: %v", ids, err)
			}
		}
	}
}

func TestWhatWasRefusedBeforeIsSaidToo(t *testing.T) {
	var to table
	before := rowwise.Refused(&daybook.Event{ID: "before"}, &daybook.Error{Code: daybook.Invalid, Reason: "blank", Index: 7})
	err := rowwise.Store([][]row{rows("a")}, []daybook.Outcome{before}, to.store, none)
	if got := outcomes(err); !slices.Equal(got, []string{"before refused blank 7"}) || len(to.has) != 1 {
		t.Errorf("outcomes %v, stored %v", got, to.has)
	}
}

func TestAFailureEndsTheWrite(t *testing.T) {
	parts := [][]row{rows("a", "b"), rows("c"), rows("d")}
	t.Run("of the first part: nothing is decided", func(t *testing.T) {
		to := table{down: 1}
		err := rowwise.Store(parts, nil, to.store, none)
		if daybook.CodeOf(err) != daybook.Unavailable || outcomes(err) != nil || to.calls != 1 {
			t.Errorf("error %v after %d calls", err, to.calls)
		}
	})
	t.Run("of a later one: the rest is named", func(t *testing.T) {
		to := table{down: 2}
		err := rowwise.Store(parts, nil, to.store, none)
		if got := outcomes(err); !slices.Equal(got, []string{"c failed down 0", "d failed down 0"}) || to.calls != 2 {
			t.Errorf("outcomes %v after %d calls", got, to.calls)
		}
	})
	t.Run("while a bad row is looked for", func(t *testing.T) {
		to := table{down: 3}
		err := rowwise.Store([][]row{rows("a", "b", "bad", "d")}, nil, to.store, none)
		if got := outcomes(err); !slices.Equal(got, []string{"bad failed down 2", "d failed down 3"}) || !slices.Equal(to.has, []string{"a", "b"}) {
			t.Errorf("outcomes %v, stored %v", got, to.has)
		}
	})
}

func TestARowThatIsAloneHasALastChance(t *testing.T) {
	for answer, want := range map[daybook.Code][]string{
		daybook.OK:          nil,
		daybook.Conflict:    {"bad refused last 1"},
		daybook.Unavailable: {"bad failed last 1", "c failed last 2"},
	} {
		var to table
		err := rowwise.Store([][]row{rows("a", "bad", "c")}, nil, to.store, func(r row, err *daybook.Error) *daybook.Error {
			if r.event.ID != "bad" || err.Code != daybook.Invalid {
				t.Errorf("asked for %s after %v", r.event.ID, err)
			}
			if answer == daybook.OK {
				return nil
			}
			return &daybook.Error{Code: answer, Reason: "last"}
		})
		if got := outcomes(err); !slices.Equal(got, want) {
			t.Errorf("%v: outcomes %v, want %v", answer, got, want)
		}
	}
}

func TestRowsAreDividedByNumberAndBytes(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		want  string
	}{
		{nil, "[]"},
		{[]int{1}, "[[1]]"},
		{[]int{1, 1, 1, 1, 1, 1, 1}, "[[1 1 1] [1 1 1] [1]]"},
		{[]int{5, 5, 1}, "[[5 5] [1]]"},
		{[]int{11, 1, 11, 11}, "[[11] [1] [11] [11]]"},
	} {
		got := rowwise.Divide(c.sizes, func(n int) int { return n }, 3, 10)
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v: %v, want %v", c.sizes, got, c.want)
		}
	}
}

func TestMembersThatNoTextCanHaveAreNamed(t *testing.T) {
	members := []rowwise.Member{{"event_id", "a"}, {"event_name", "b\x00"}, {"actor_id", "\xff"}}
	if got := rowwise.NotUTF8(members, "\x00"); got != "event_name" {
		t.Errorf("with NUL forbidden: %q", got)
	}
	if got := rowwise.NotUTF8(members, ""); got != "actor_id" {
		t.Errorf("with nothing forbidden: %q", got)
	}
	if got := rowwise.NotUTF8(members[:1], "\x00"); got != "" {
		t.Errorf("of good ones: %q", got)
	}
}
