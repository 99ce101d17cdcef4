package caller_test

import (
	"net/http"
	"testing"

	"daybook.dev/gateway/internal/caller"
)

func TestAKeyInTheBodyMustBeThatOfTheCallerInTheHeader(t *testing.T) {
	var told []caller.Refusal
	r, err := caller.New(callers(t), caller.Options{Refused: func(f caller.Refusal) { told = append(told, f) }})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/batch", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		registry *caller.Registry
		who, key string
		agrees   bool
	}{
		"no key":                         {r, "checkout", "", true},
		"the caller's":                   {r, "checkout", checkoutKey, true},
		"the caller's, being replaced":   {r, "checkout", oldKey, true},
		"another caller's":               {r, "checkout", searchKey, false},
		"nobody's":                       {r, "checkout", "made-up", false},
		"alone, which proves nothing":    {r, caller.AnonymousName, searchKey, true},
		"where there are no callers":     {nil, "checkout", "made-up", true},
		"by a caller who has a password": {r, "cli", checkoutKey, false},
	} {
		t.Run(name, func(t *testing.T) {
			told = nil
			err := c.registry.Agree("segment", request, caller.Caller{Name: c.who}, c.key)
			if (err == nil) != c.agrees || len(told) != map[bool]int{true: 0, false: 1}[c.agrees] {
				t.Errorf("%v, told of %d refusals", err, len(told))
			}
			if err != nil && (err.Reason != caller.ReasonConflicting || told[0].Caller != c.who) {
				t.Errorf("%+v, told of %+v", err, told[0])
			}
		})
	}
}
