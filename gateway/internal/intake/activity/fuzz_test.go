package activity_test

import (
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// FuzzService holds what must be true of any body at all, on each route: it is
// answered, and what reaches the store is strict JSON within the limits.
func FuzzService(f *testing.F) {
	paths := []string{eventsPath, trackPath, telemetryPath}
	for _, body := range intaketest.Bodies(f, "activity") {
		for i := range paths {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, route uint8, body []byte) {
		s := &intaketest.Recorder{}
		w := post(newService(s), paths[int(route)%len(paths)], string(body))
		intaketest.CheckAnswer(t, w, s)
	})
}
