package spanner_test

import (
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner"
)

const somewhere = "projects/p/instances/i/databases/d"

func TestAConfigurationThatCannotBeRightIsRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]spanner.Config{
		"no database":              {Emulator: "localhost:1"},
		"half a database":          {Emulator: "localhost:1", Database: "projects/p/instances/i"},
		"a table that is a query":  {Emulator: "localhost:1", Database: somewhere, Table: "a; DROP TABLE b"},
		"a table of three parts":   {Emulator: "localhost:1", Database: somewhere, Table: "a.b.c"},
		"fewer than no indexes":    {Emulator: "localhost:1", Database: somewhere, Indexes: -1},
		"a negative timeout":       {Emulator: "localhost:1", Database: somewhere, Timeout: -time.Second},
		"an address that is a URL": {Emulator: "http://%zz", Database: somewhere},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := spanner.Open(t.Context(), c)
			if s != nil || daybook.CodeOf(err) != daybook.Invalid {
				t.Errorf("opened with %v", err)
			}
		})
	}
}

func TestWithoutCredentialsTheServiceIsNotOpened(t *testing.T) {
	t.Setenv("SPANNER_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file-hunter2")
	s, err := spanner.Open(t.Context(), spanner.Config{Database: somewhere})
	if s != nil || daybook.CodeOf(err) != daybook.Unauthenticated {
		t.Fatalf("opened with %v", err)
	}
	sinktest.CheckText(t, err, "hunter2")
}

func TestOpenDoesNotNeedTheServer(t *testing.T) {
	t.Setenv("SPANNER_EMULATOR_HOST", "127.0.0.1:1")
	s := openOn(t, spanner.Config{Database: somewhere})
	err := s.Write(t.Context(), sinktest.Events("e", 1))
	if daybook.CodeOf(err) != daybook.Unavailable || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error is %v (%v)", err, daybook.CodeOf(err))
	}
}
