package token_test

import (
	"testing"

	"daybook.dev/gateway/internal/caller/token"
)

func TestAScopeGrantsItsPermissionAndWhatIsBelowIt(t *testing.T) {
	const wanted, deep = "telemetry_gateway::events::publish", "telemetry_gateway::events.debug.raw::publish"
	for _, c := range []struct {
		scope, wanted string
		want          bool
	}{
		{wanted, wanted, true},
		{"telemetry_gateway::events::publish", deep, true},
		{"telemetry_gateway::events.debug::publish", deep, true},
		{"telemetry_gateway::events.debug.raw::publish", deep, true},
		{"telemetry_gateway::events.debug::publish", wanted, false},
		{"telemetry_gateway::event::publish", wanted, false},
		{"telemetry_gateway::events.de::publish", deep, false},
		{"telemetry_gateway::event::publish", deep, false},
		{"telemetry_gateway::::publish", "telemetry_gateway::.x::publish", false},
		{"telemetry_gateway::events::write", wanted, false},
		{"other::events::publish", wanted, false},
		{"telemetry_gateway::events", wanted, false},
		{"telemetry_gateway::events::publish::more", wanted, false},
		{"TELEMETRY_GATEWAY::events::publish", wanted, false},
		{"", wanted, false},
		{"openid", "openid", true}, // scopes of another shape are compared as they are
	} {
		if got := token.Grants([]string{"profile", c.scope}, c.wanted); got != c.want {
			t.Errorf("%q for %q: %v", c.scope, c.wanted, got)
		}
	}
	if token.Grants(nil, wanted) {
		t.Error("no scope grants something")
	}
}
