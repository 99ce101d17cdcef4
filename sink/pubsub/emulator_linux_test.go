package pubsub_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	api "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"daybook.dev/internal/need"
	"daybook.dev/sink/pubsub"
	"daybook.dev/sink/sinktest"
)

func TestSinkOnTheEmulator(t *testing.T) {
	address := emulator(t)
	traits := traits
	traits.Unbreakable = "the emulator is shared by the tests of the suite"
	var targets atomic.Int32
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		srv := &server{address: address}
		topic := fmt.Sprintf("events-%d-%d", os.Getpid(), targets.Add(1))
		s := srv.open(t, func(c *pubsub.Config) { c.Topic = topic })
		return sinktest.Target{Sink: s, Arrived: subscribe(t, address, topic)}
	}, traits)
}

// subscribe makes a subscription of a topic, and returns what reads it.
func subscribe(t *testing.T, address, topic string) func(*testing.T, int) []sinktest.Arrival {
	t.Helper()
	client, err := api.NewSubscriptionAdminClient(t.Context(), option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())), option.WithTelemetryDisabled())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	name := "projects/" + project + "/subscriptions/" + topic
	_, err = client.CreateSubscription(t.Context(), &pubsubpb.Subscription{Name: name, Topic: "projects/" + project + "/topics/" + topic, AckDeadlineSeconds: 600})
	if err != nil {
		t.Fatal(err)
	}
	var arrived []sinktest.Arrival
	return func(t *testing.T, n int) []sinktest.Arrival {
		t.Helper()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			//nolint:staticcheck // deprecated for being less efficient, and all that says whether there is more
			pulled, err := client.Pull(ctx, &pubsubpb.PullRequest{
				Subscription: name, MaxMessages: 1000,
				ReturnImmediately: len(arrived) >= n, // that is all: what is acknowledged is there
			})
			cancel()
			if err != nil {
				t.Fatalf("%d messages came, want %d: %v", len(arrived), n, err)
			}
			for _, m := range pulled.GetReceivedMessages() {
				arrived = append(arrived, sinktest.FromFlat(t, m.GetMessage().GetData()))
			}
			if len(arrived) >= n && len(pulled.GetReceivedMessages()) == 0 {
				return arrived
			}
		}
	}
}

// emulator returns the address of the Pub/Sub emulator: the one that
// PUBSUB_EMULATOR_HOST names, or one started from its package.
func emulator(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("PUBSUB_EMULATOR_HOST"); address != "" {
		return address
	}
	command := need.Command(t, "java")
	port := strconv.Itoa(need.Port(t))
	address := "127.0.0.1:" + port
	server := exec.Command(command, "-jar", emulatorJar(t), "--host=127.0.0.1", "--port="+port)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	ready(t, address)
	return address
}

// emulatorJar finds the emulator in its Debian package.
func emulatorJar(t *testing.T) string {
	t.Helper()
	const name = "google-cloud-cli-pubsub-emulator"
	files, err := exec.Command("dpkg", "-L", name).Output()
	if err != nil {
		need.Missing(t, "pubsub-emulator", "PUBSUB_EMULATOR_HOST is not set, and the package "+name+" is not installed")
	}
	for file := range strings.Lines(string(files)) {
		if file = strings.TrimSpace(file); strings.HasSuffix(file, ".jar") {
			return file
		}
	}
	need.Missing(t, "pubsub-emulator", "the package "+name+" has no .jar")
	return ""
}

// ready waits until the emulator answers.
func ready(t *testing.T, address string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, err = pubsubpb.NewPublisherClient(conn).ListTopics(ctx, &pubsubpb.ListTopicsRequest{Project: "projects/" + project}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal("the emulator does not start: ", err)
	}
}
