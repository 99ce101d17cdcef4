package deliver_test

import (
	"testing"

	"go.uber.org/goleak"

	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }
