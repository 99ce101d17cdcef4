package spanner_test

import (
	"context"
	"testing"
	"time"

	api "cloud.google.com/go/spanner/apiv1"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"daybook.dev/internal/need"
	"daybook.dev/sink"
	"daybook.dev/sink/spanner"
)

var _ sink.Provisioner = (*spanner.Sink)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A server is the fake or the emulator.
type server interface {
	Address() string
	Database() string
}

// open opens a sink on an empty database of s and makes its table.
func open(t testing.TB, s server) (opened *spanner.Sink, database string) {
	t.Helper()
	database = s.Database()
	opened = openOn(t, spanner.Config{Database: database, Emulator: s.Address()})
	if err := opened.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return opened, database
}

func openOn(t testing.TB, c spanner.Config) *spanner.Sink {
	t.Helper()
	s, err := spanner.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
	})
	return s
}

// stored returns what the columns of every row of NestEventLog hold: text, with
// NULL as "NULL".
func stored(t *testing.T, s server, database string, columns ...string) (rows [][]string) {
	t.Helper()
	conn, err := grpc.NewClient(s.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.NewClient(t.Context(), option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	session, err := c.CreateSession(t.Context(), &spannerpb.CreateSessionRequest{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Read(t.Context(), &spannerpb.ReadRequest{
		Session: session.Name, Table: "NestEventLog", Columns: columns, KeySet: &spannerpb.KeySet{All: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range result.Rows {
		var row []string
		for _, v := range r.Values {
			text := v.GetStringValue()
			if _, null := v.Kind.(*structpb.Value_NullValue); null {
				text = "NULL"
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	return rows
}
