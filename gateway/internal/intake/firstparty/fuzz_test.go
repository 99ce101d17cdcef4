package firstparty_test

import (
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// FuzzHandler holds what must be true of any body at all.
func FuzzHandler(f *testing.F) {
	for _, body := range intaketest.Bodies(f, "first-party") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &intaketest.Recorder{}
		w := post(newHandler(s), string(body))
		intaketest.CheckAnswer(t, w, s)
		if w.Code == 200 {
			parse(t, w)
		}
	})
}
