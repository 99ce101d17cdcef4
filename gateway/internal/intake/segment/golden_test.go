package segment_test

import (
	"net/http/httptest"
	"path/filepath"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/segment"
)

func TestWire(t *testing.T) {
	for _, folder := range intaketest.Cases(t, segment.Protocol) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			s := &intaketest.Recorder{}
			w := httptest.NewRecorder()
			intake.Identified(newHandler(s)).ServeHTTP(w, intaketest.Request(t, folder))
			intaketest.CompareResponse(t, folder, w)
			intaketest.CompareStored(t, folder, s.Records())
			for i, r := range s.Records() {
				if r.Caller != "anonymous" || r.Protocol != "segment" || r.Instance != "test" || !r.Received.Equal(intaketest.Noon) {
					t.Errorf("record %d says where it comes from as the caller wants it: %+v", i, r)
				}
			}
		})
	}
}
