// Package spannertest is the other side of the Spanner sink in tests: a small
// server of the API in this process, with faults, and the real Cloud Spanner
// emulator where the machine has it.
package spannertest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A Fake serves what the sink calls: sessions, Commit of inserts, Read of keys
// or of everything, a look at the schema, CREATE TABLE. A commit is all or
// nothing, as Spanner's is. It takes any JSON text, as it is. Its methods are
// safe for concurrent use.
type Fake struct {
	spannerpb.UnimplementedSpannerServer
	databasepb.UnimplementedDatabaseAdminServer

	address string

	mu        sync.Mutex // guards what follows
	databases map[string]map[string]*table
	sessions  map[string]string // session → database
	made      int               // sessions and databases so far
	calls     map[string]int
	faults    []fault
	after     []error // answers of commits that were made all the same
}

type fault struct {
	call string // "" = any
	err  error
}

// StartFake starts a fake and stops it when the test is over.
func StartFake(t testing.TB) *Fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{
		address:   listener.Addr().String(),
		databases: map[string]map[string]*table{},
		sessions:  map[string]string{},
		calls:     map[string]int{},
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(100 << 20))
	spannerpb.RegisterSpannerServer(server, f)
	databasepb.RegisterDatabaseAdminServer(server, f)
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-serving; err != nil {
			t.Errorf("spannertest: %v", err)
		}
	})
	return f
}

// Address returns where the fake listens, as host:port.
func (f *Fake) Address() string { return f.address }

// Database makes a database without tables and returns its name.
func (f *Fake) Database() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	name := fmt.Sprintf("projects/test/instances/test/databases/test%d", f.made)
	f.databases[name] = map[string]*table{}
	return name
}

// Fail lets the next n calls of one kind ("Commit", "Read", "ExecuteSql",
// "CreateSession"; "" is any) fail with err before they have done anything.
func (f *Fake) Fail(n int, call string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.faults = append(f.faults, fault{call, err})
	}
}

// LoseAnswers lets the next n commits happen, and answers them with err.
func (f *Fake) LoseAnswers(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.after = append(f.after, err)
	}
}

// ForgetSessions ends every session.
func (f *Fake) ForgetSessions() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.sessions)
}

// Calls returns how many calls of a kind there were.
func (f *Fake) Calls(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[kind]
}

// begin counts a call and returns its fault. Who calls it holds the lock.
func (f *Fake) begin(kind string) error {
	f.calls[kind]++
	for i, fault := range f.faults {
		if fault.call == "" || fault.call == kind {
			f.faults = slices.Delete(f.faults, i, i+1)
			return fault.err
		}
	}
	return nil
}

// CreateSession makes a session.
func (f *Fake) CreateSession(_ context.Context, r *spannerpb.CreateSessionRequest) (*spannerpb.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("CreateSession"); err != nil {
		return nil, err
	}
	if f.databases[r.Database] == nil {
		return nil, notFound("google.spanner.admin.database.v1.Database", r.Database)
	}
	f.made++
	name := fmt.Sprintf("%s/sessions/%d", r.Database, f.made)
	f.sessions[name] = r.Database
	return &spannerpb.Session{Name: name, Multiplexed: r.Session.GetMultiplexed()}, nil
}

// Commit inserts rows, all or none.
func (f *Fake) Commit(_ context.Context, r *spannerpb.CommitRequest) (*spannerpb.CommitResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("Commit"); err != nil {
		return nil, err
	}
	tables, err := f.tables(r.Session)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var staged []insertion // nothing is stored before all of it is good
	for _, m := range r.Mutations {
		w := m.GetInsert()
		if w == nil {
			return nil, status.Error(codes.Unimplemented, "only inserts")
		}
		t := tables[w.Table]
		if t == nil {
			return nil, status.Error(codes.NotFound, "Table not found: "+w.Table)
		}
		into, err := t.stage(w, now)
		if err != nil {
			return nil, err
		}
		staged = append(staged, into)
	}
	for _, into := range staged {
		maps.Copy(into.table.rows, into.rows)
		into.table.order = append(into.table.order, into.order...)
	}
	if len(f.after) > 0 {
		err := f.after[0]
		f.after = f.after[1:]
		return nil, err
	}
	return &spannerpb.CommitResponse{CommitTimestamp: timestamppb.New(now)}, nil
}

// Read reads rows by their keys, or all.
func (f *Fake) Read(_ context.Context, r *spannerpb.ReadRequest) (*spannerpb.ResultSet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("Read"); err != nil {
		return nil, err
	}
	tables, err := f.tables(r.Session)
	if err != nil {
		return nil, err
	}
	t := tables[r.Table]
	if t == nil {
		return nil, status.Error(codes.NotFound, "Table not found: "+r.Table)
	}
	keys := t.order
	if !r.KeySet.GetAll() {
		keys = nil
		for _, k := range r.KeySet.GetKeys() {
			keys = append(keys, k.Values[0].GetStringValue())
		}
	}
	result := &spannerpb.ResultSet{}
	for _, k := range keys {
		row := t.rows[k]
		if row == nil {
			continue
		}
		list := &structpb.ListValue{}
		for _, c := range r.Columns {
			value := row[c]
			if value == nil {
				value = structpb.NewNullValue()
			}
			list.Values = append(list.Values, value)
		}
		result.Rows = append(result.Rows, list)
	}
	return result, nil
}

// ExecuteSql answers the one question that the sink has: what a table is like.
func (f *Fake) ExecuteSql( //nolint:revive,staticcheck // the name is the service's
	_ context.Context, r *spannerpb.ExecuteSqlRequest,
) (*spannerpb.ResultSet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("ExecuteSql"); err != nil {
		return nil, err
	}
	tables, err := f.tables(r.Session)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(r.Sql, "INFORMATION_SCHEMA.COLUMNS") {
		return nil, status.Error(codes.Unimplemented, "no such query here")
	}
	result := &spannerpb.ResultSet{}
	t := tables[r.Params.Fields["table"].GetStringValue()]
	if t == nil {
		return result, nil
	}
	for _, c := range t.columns {
		row := []any{c.name, c.kind, c.required, false, c.commit, c.name == t.key}
		list, err := structpb.NewList(row)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, list)
	}
	return result, nil
}

// UpdateDatabaseDdl makes tables, whose columns stand on lines of their own.
func (f *Fake) UpdateDatabaseDdl(_ context.Context, r *databasepb.UpdateDatabaseDdlRequest) (*longrunningpb.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("UpdateDatabaseDdl"); err != nil {
		return nil, err
	}
	tables := f.databases[r.Database]
	for _, statement := range r.Statements {
		parts := create.FindStringSubmatch(statement)
		if tables == nil || parts == nil {
			return nil, status.Error(codes.InvalidArgument, "not understood here: "+statement)
		}
		if tables[parts[1]] != nil {
			return nil, status.Error(codes.FailedPrecondition, "Duplicate name in schema: "+parts[1])
		}
		t := &table{key: parts[3], rows: map[string]map[string]*structpb.Value{}}
		for _, d := range definition.FindAllStringSubmatch(parts[2], -1) {
			t.columns = append(t.columns, field{name: d[1], kind: d[2], required: d[3] != "", commit: d[4] != ""})
		}
		tables[parts[1]] = t
	}
	nothing, err := anypb.New(&emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	return &longrunningpb.Operation{
		Name: r.Database + "/operations/1", Done: true, Result: &longrunningpb.Operation_Response{Response: nothing},
	}, nil
}

// tables returns the tables of a session's database.
func (f *Fake) tables(session string) (map[string]*table, error) {
	database, ok := f.sessions[session]
	if !ok {
		return nil, notFound("google.spanner.v1.Session", session)
	}
	return f.databases[database], nil
}

func notFound(kind, name string) error {
	s, err := status.New(codes.NotFound, kind+" not found: "+name).WithDetails(
		&errdetails.ResourceInfo{ResourceType: "type.googleapis.com/" + kind, ResourceName: name})
	if err != nil {
		return err
	}
	return s.Err()
}
