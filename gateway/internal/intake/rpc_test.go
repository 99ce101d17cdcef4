package intake_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"daybook.dev/gateway/internal/intake"
)

func TestACompressedMessageIsReadToItsLimitAndNoFurther(t *testing.T) {
	const most = 100_000
	g := intake.Gunzip(most)
	for size, fits := range map[int]bool{0: true, most - 1: true, most: true, most + 1: false, 16 << 20: false} {
		src := strings.NewReader(gzipped(t, noise(size)))
		sent := src.Len()
		if err := g.Reset(src); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(g)
		if fits {
			if err != nil || string(text) != noise(size) {
				t.Errorf("%d bytes: read %d, %v", size, len(text), err)
			}
			continue
		}
		if e, ok := errors.AsType[*connect.Error](err); !ok || e.Code() != connect.CodeResourceExhausted || len(text) != most+1 {
			t.Errorf("%d bytes: read %d, %v", size, len(text), err)
		}
		if used := sent - src.Len(); size > 1<<20 && used > sent/10 {
			t.Errorf("%d bytes: %d of the %d sent were looked at", size, used, sent)
		}
	}
}
