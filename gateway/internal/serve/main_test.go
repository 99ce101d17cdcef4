package serve_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(loadEnv); ok {
		var l traffic
		err := json.Unmarshal([]byte(text), &l)
		if err == nil {
			err = l.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(need.Time(m, goleak.Find))
}
