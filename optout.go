package daybook

import (
	"os"
	"strings"
)

// OptOutEnv returns a Config.OptOut that is satisfied by any of the named
// environment variables, such as "ACME_TELEMETRY_OFF" or "DISABLE_TELEMETRY",
// when it is set to something other than "", "0" or "false". The environment is
// read once, now: a program's environment does not change by itself.
func OptOutEnv(names ...string) func() string {
	reason := ""
	for _, name := range names {
		if set(name) {
			reason = name + "=" + os.Getenv(name)
			break
		}
	}
	return func() string { return reason }
}

// set reports whether an environment variable means yes.
func set(name string) bool {
	switch strings.ToLower(strings.TrimSpace(os.Getenv(name))) {
	case "", "0", "false":
		return false
	}
	return true
}

// optedOut says why nothing is to be recorded, asking everybody.
func (cfg *Config) optedOut() string {
	const doNotTrack = "DO_NOT_TRACK"
	if !cfg.IgnoreDoNotTrack && set(doNotTrack) {
		return doNotTrack + "=" + os.Getenv(doNotTrack)
	}
	return cfg.optOutNow()
}

// optOutNow asks Config.OptOut. One that panics counts as an opt-out: a user's
// wish that cannot be read is respected.
func (cfg *Config) optOutNow() (reason string) {
	if cfg.OptOut == nil {
		return ""
	}
	defer func() {
		if recover() != nil {
			reason = "Config.OptOut panicked"
		}
	}()
	return cfg.OptOut()
}
