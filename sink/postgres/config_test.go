package postgres_test

import (
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/sinktest"
)

func TestAConfigurationThatCannotBeRightIsRefusedAtOnce(t *testing.T) {
	const secret = "hunter2"
	for name, c := range map[string]postgres.Config{
		"no DSN":                        {},
		"a blank DSN":                   {DSN: " \n"},
		"a DSN of another database":     {DSN: "mysql://user:" + secret + "@host/db"},
		"a port that is none":           {DSN: "postgres://user:" + secret + "@host:port/db"},
		"a certificate that is missing": {DSN: "postgres://user:" + secret + "@host/db?sslmode=verify-full&sslrootcert=/no/such/file"},
		"an unknown sslmode":            {DSN: "host=db password=" + secret + " sslmode=perhaps"},
		"a table without a name":        {DSN: "host=db", Table: "events."},
		"a table of three parts":        {DSN: "host=db", Table: "a.b.c"},
		"a name that would be cut off":  {DSN: "host=db", Table: strings.Repeat("a", 64)},
		"fewer than no connections":     {DSN: "host=db", MaxConns: -1},
		"a negative timeout":            {DSN: "host=db", Timeout: -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := postgres.Open(t.Context(), c)
			if s != nil || daybook.CodeOf(err) != daybook.Invalid {
				t.Fatalf("opened with %v", err)
			}
			sinktest.CheckText(t, err, secret)
		})
	}
}

func TestOpenDoesNotNeedTheServer(t *testing.T) {
	s := openOn(t, postgres.Config{DSN: "postgres://user:hunter2@127.0.0.1:1/events"})
	err := s.Write(t.Context(), sinktest.Events("e", 1))
	if daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("error is %v (%v)", err, daybook.CodeOf(err))
	}
	sinktest.CheckText(t, err, "hunter2", "user")
	if !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the error does not say where: %v", err)
	}
}
