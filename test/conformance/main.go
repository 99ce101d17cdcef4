// Command conformance is the server that the conformance suite of
// connectrpc.com tries: the suite's own service, behind the gateway's server and
// with the options of the gateway's handlers. `make conformance` runs the suite.
//
// The suite starts this program, writes what it wants to standard input, and
// reads the address from standard output. Each message is preceded by its
// length in four bytes, big endian.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	conformancev1 "daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1"
	"daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/serve"
)

// maxMessage is the size in bytes of the largest request where the suite does
// not ask for another limit.
const maxMessage = 16 << 20

// stopWithin is how long calls under way may take when the suite has finished.
const stopWithin = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Nil means that every call under way was answered.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	var wanted conformancev1.ServerCompatRequest
	if err := receive(in, &wanted); err != nil {
		return err
	}
	var config net.ListenConfig
	port, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := serve.NewServer(routes(&wanted), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(port) }()

	address, ok := port.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("listener: %s is no TCP address", port.Addr())
	}
	err = send(out, &conformancev1.ServerCompatResponse{Host: address.IP.String(), Port: uint32(address.Port)})
	if err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return server.Shutdown(patience)
}

func routes(wanted *conformancev1.ServerCompatRequest) http.Handler {
	limit := maxMessage
	if wanted.GetMessageReceiveLimit() > 0 {
		limit = int(wanted.GetMessageReceiveLimit())
	}
	mux := http.NewServeMux()
	mux.Handle(conformancev1connect.NewConformanceServiceHandler(service{}, intake.RPCOptions(limit)...))
	return mux
}

func receive(in io.Reader, message proto.Message) error {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(in, body); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return proto.Unmarshal(body, message)
}

func send(out io.Writer, message proto.Message) error {
	body, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	_, err = out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}
