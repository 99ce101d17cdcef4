package spannertest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	database "cloud.google.com/go/spanner/admin/database/apiv1"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	instance "cloud.google.com/go/spanner/admin/instance/apiv1"
	"cloud.google.com/go/spanner/admin/instance/apiv1/instancepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"daybook.dev/internal/need"
)

// patience bounds what the emulator does alone.
const patience = 60 * time.Second

// where the Debian package google-cloud-cli-spanner-emulator puts it, which is
// in nobody's PATH.
const packaged = "/usr/lib/google-cloud-sdk/bin/cloud_spanner_emulator/emulator_main"

// An Emulator is Google's own Spanner emulator: its own process with the real
// engine for SQL, types and constraints, and everything in memory.
type Emulator struct {
	t        testing.TB
	address  string
	instance string
	made     atomic.Int32 // databases so far
}

// StartEmulator starts the emulator and stops it when the test is over. Where
// SPANNER_EMULATOR_HOST names one that runs, it is used instead. A test without
// either skips, or fails where DAYBOOK_REQUIRE names spanner.
func StartEmulator(t testing.TB) *Emulator {
	t.Helper()
	e := &Emulator{t: t, address: os.Getenv("SPANNER_EMULATOR_HOST")}
	if e.address == "" {
		e.address = run(t)
	}
	e.makeInstance()
	return e
}

// Address returns where the emulator listens, as host:port.
func (e *Emulator) Address() string { return e.address }

// Database makes a database without tables and returns its name.
func (e *Emulator) Database() string {
	e.t.Helper()
	name := fmt.Sprintf("test%d", e.made.Add(1))
	e.admin(func(ctx context.Context, c *database.DatabaseAdminClient) error {
		operation, err := c.CreateDatabase(ctx, &databasepb.CreateDatabaseRequest{Parent: e.instance, CreateStatement: "CREATE DATABASE " + name})
		if err != nil {
			return err
		}
		_, err = operation.Wait(ctx)
		return err
	})
	return e.instance + "/databases/" + name
}

// Exec runs statements of DDL in a database.
func (e *Emulator) Exec(name string, statements ...string) {
	e.t.Helper()
	e.admin(func(ctx context.Context, c *database.DatabaseAdminClient) error {
		operation, err := c.UpdateDatabaseDdl(ctx, &databasepb.UpdateDatabaseDdlRequest{Database: name, Statements: statements})
		if err != nil {
			return err
		}
		return operation.Wait(ctx)
	})
}

func (e *Emulator) admin(do func(ctx context.Context, c *database.DatabaseAdminClient) error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := database.NewDatabaseAdminClient(ctx, e.connection())
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	if err := do(ctx, c); err != nil {
		e.t.Fatalf("spannertest: %v", err)
	}
}

// makeInstance makes an instance of a name that nobody else has: an emulator
// that runs already may be shared.
func (e *Emulator) makeInstance() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := instance.NewInstanceAdminClient(ctx, e.connection())
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	id := "test-" + strings.ToLower(rand.Text()[:10])
	operation, err := c.CreateInstance(ctx, &instancepb.CreateInstanceRequest{
		Parent: "projects/test", InstanceId: id,
		Instance: &instancepb.Instance{Config: "projects/test/instanceConfigs/emulator-config", DisplayName: id, NodeCount: 1},
	})
	if err == nil {
		_, err = operation.Wait(ctx)
	}
	if err != nil && status.Code(err) != codes.AlreadyExists {
		e.t.Fatalf("spannertest: making an instance: %v", err)
	}
	e.instance = "projects/test/instances/" + id
}

func (e *Emulator) connection() option.ClientOption {
	e.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+e.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		e.t.Fatal(err)
	}
	return option.WithGRPCConn(conn) // closed with its client
}

// Look ends the test where the machine has no emulator, as StartEmulator does.
func Look(t testing.TB) {
	t.Helper()
	if os.Getenv("SPANNER_EMULATOR_HOST") == "" {
		find(t)
	}
}

// find returns the program.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"emulator_main", packaged} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need.Missing(t, "spanner", "no emulator_main in the PATH or from the package google-cloud-cli-spanner-emulator, and no SPANNER_EMULATOR_HOST: only the fake is tested against")
	return ""
}

// run starts the program and returns where it listens.
func run(t testing.TB) string {
	t.Helper()
	path := find(t)
	cmd := exec.Command(path, "--host_port", "127.0.0.1:0")
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listens := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		follow(output, listens)
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("spannertest: %v", err)
		}
		<-read
		_ = cmd.Wait() // it was killed
	})
	select {
	case address := <-listens:
		return address
	case <-read:
		t.Fatal("spannertest: the emulator ended before it listened")
	case <-time.After(patience):
		t.Fatal("spannertest: the emulator does not listen")
	}
	return ""
}

// follow reads what the emulator says until it has ended.
func follow(output io.Reader, listens chan<- string) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if _, address, ok := strings.Cut(lines.Text(), "Server address: "); ok {
			select {
			case listens <- address:
			default:
			}
		}
	}
}
