package spanner_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner"
	"daybook.dev/sink/spanner/spannertest"
)

func TestStorableSaysWhatSpannerWouldChange(t *testing.T) {
	for metadata, reason := range map[string]string{
		``:   "",
		`{}`: "",
		`{"a":[0,1,-1,3.14,1e5,1.50,-0.0,0.1,1E-7,1e308,123456789.125,0e9999]}`:                       "",
		`{"a":[9223372036854775807,-9223372036854775808,18446744073709551615,100000000000000000000]}`: "",
		`{"a":"-0 1e400 \\ud800 \ud83d\ude80 \u0000"}`:                                                "",
		`{"a":-0}`:                                        "numbers_not_storable",
		`{"a":1e400}`:                                     "numbers_not_storable",
		`{"a":-1e400}`:                                    "numbers_not_storable",
		`{"a":1e-400}`:                                    "numbers_not_storable",
		`{"a":1e99999999999999999999}`:                    "numbers_not_storable",
		`{"a":[{"b":18446744073709551616}]}`:              "numbers_not_storable",
		`{"a":-9223372036854775809}`:                      "numbers_not_storable",
		`{"a":12345678901234567890.000}`:                  "numbers_not_storable",
		`{"a":0.10000000000000001}`:                       "numbers_not_storable",
		`{"a":3.141592653589793238}`:                      "numbers_not_storable",
		`{"a":"\ud800"}`:                                  "lone_surrogate",
		`{"a":"\udc00"}`:                                  "lone_surrogate",
		`{"a":"\uD800x\uDC00"}`:                           "lone_surrogate",
		`{"a":"\ud800\ud800\udc00"}`:                      "lone_surrogate",
		`{"\ud800":1}`:                                    "lone_surrogate",
		strings.Repeat("[", 80) + strings.Repeat("]", 80): "",
		strings.Repeat("[", 81) + strings.Repeat("]", 81): "too_deep",
		`{"a":"` + strings.Repeat("x", 10<<20) + `"}`:     "metadata_too_large",
	} {
		err := spanner.Storable(json.RawMessage(metadata))
		got := ""
		if err != nil {
			got = err.Reason
			if err.Code != daybook.Invalid || err.Field != "metadata" {
				t.Errorf("%.60s: %+v", metadata, err)
			}
		}
		if got != reason {
			t.Errorf("%.60s: %q, want %q", metadata, got, reason)
		}
	}
}

// What Storable lets through the emulator keeps, and what it does not let
// through the emulator changes or refuses.
func TestStorableAgreesWithTheEmulator(t *testing.T) {
	emulator := spannertest.StartEmulator(t)
	database := emulator.Database()
	// With a column of text instead, nothing of it is ours to judge.
	emulator.Exec(database, strings.Replace(ddl, "\tmetadata_text STRING(MAX),\n", "", 1))
	s := openOn(t, spanner.Config{Database: database, Emulator: emulator.Address()})
	numbers := numbers()
	var events []daybook.Event
	for i, n := range numbers {
		events = append(events, daybook.Event{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Name: "n", Metadata: []byte(`{"n":` + n + `}`)})
	}
	_ = s.Write(t.Context(), events) // those that Storable refuses are not there
	kept := map[string]string{}
	for _, r := range stored(t, emulator, database, "event_id", "metadata") {
		kept[r[0]] = r[1]
	}
	for i, n := range numbers {
		storable := spanner.Storable(events[i].Metadata) == nil
		text, ok := kept[events[i].ID]
		if ok != storable {
			t.Errorf("%s: storable is %t, stored is %t", n, storable, ok)
		}
		if ok && !sameNumber(t, n, text) {
			t.Errorf("%s is storable, and the emulator keeps %s", n, text)
		}
	}
	t.Logf("%d of %d numbers are storable", len(kept), len(numbers))
}

// numbers returns numbers near the limits of what doubles and integers hold.
func numbers() []string {
	all := []string{"0", "-0.0", "1e22", "1e23", "9007199254740993", "9007199254740993.0", "5e-324", "4.9e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623159e308"}
	chance := rand.New(rand.NewPCG(7, 7))
	for range 400 {
		digits := []byte{'1' + byte(chance.IntN(9))}
		for range chance.IntN(24) {
			digits = append(digits, '0'+byte(chance.IntN(10)))
		}
		n := string(digits)
		if at := chance.IntN(len(n) + 1); at > 0 && at < len(n) {
			n = n[:at] + "." + n[at:]
		}
		if chance.IntN(3) == 0 {
			n += fmt.Sprintf("e%d", chance.IntN(60)-30)
		}
		if chance.IntN(4) == 0 {
			n = "-" + n
		}
		all = append(all, n)
	}
	return all
}

// sameNumber compares a number with the one in {"n":…}: exactly, or as the
// doubles they are. The emulator does not always write the shortest text of a
// double (1e23), and reads its own back as the same one.
func sameNumber(t *testing.T, number, document string) bool {
	t.Helper()
	kept, _ := strings.CutPrefix(document, `{"n":`)
	kept, _ = strings.CutSuffix(kept, "}")
	a, oka := new(big.Rat).SetString(number)
	b, okb := new(big.Rat).SetString(kept)
	if !oka || !okb {
		t.Fatalf("not numbers: %s, %s", number, kept)
	}
	if a.Cmp(b) == 0 {
		return true
	}
	fa, _ := strconv.ParseFloat(number, 64)
	fb, _ := strconv.ParseFloat(kept, 64)
	integer := !strings.ContainsAny(number, ".eE") // of these 64 bits are kept
	return fa == fb && !integer
}

func TestWhatSpannerWouldChangeIsTextOrRefused(t *testing.T) {
	for name, s := range servers(t) {
		t.Run(name, func(t *testing.T) {
			const exact = `{"b":1e400,"a":1}`
			odd, even := daybook.Event{ID: "odd", Name: "a", Metadata: []byte(exact)}, sinktest.Event("even")
			t.Run("where the table has the column for it", func(t *testing.T) {
				sink, database := open(t, s)
				if err := sink.Write(t.Context(), []daybook.Event{even, odd}); err != nil {
					t.Fatal(err)
				}
				found := 0
				for _, r := range stored(t, s, database, "metadata", "metadata_text") {
					if r[0] == "NULL" && r[1] == exact {
						found++
					}
				}
				if found != 1 {
					t.Error("the exact text is not there")
				}
			})
			t.Run("where it has not", func(t *testing.T) {
				database := s.Database()
				makeTable(t, s, database, strings.Replace(ddl, "\tmetadata_text STRING(MAX),\n", "", 1))
				sink := openOn(t, spanner.Config{Database: database, Emulator: s.Address()})
				err := sink.Write(t.Context(), []daybook.Event{even, odd})
				wantRefused(t, err, "odd", 1, "numbers_not_storable")
				if rows := stored(t, s, database, "event_id"); len(rows) != 1 {
					t.Errorf("rows: %v", rows)
				}
			})
		})
	}
}
