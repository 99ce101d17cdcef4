package logevent_test

import (
	"path/filepath"
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
)

func TestWire(t *testing.T) {
	for _, folder := range intaketest.Cases(t, logevent.Protocol) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			g := caseGateway(t, folder)
			intaketest.CompareResponse(t, folder, g.serve(intaketest.Request(t, folder)))
			intaketest.CompareStored(t, folder, g.store.Records())
			for i, r := range g.store.Records() {
				if r.Caller != "anonymous" || r.Settlement == nil && (r.Protocol != "logevent" || !r.Received.Equal(intaketest.Noon)) || r.Instance != "test" {
					t.Errorf("record %d does not say where it comes from: %+v", i, r)
				}
			}
			if used := g.Budget.Used(); used != g.others {
				t.Errorf("%d bytes of the budget are still held", used)
			}
		})
	}
}
