package serve_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/gateway/internal/intake/otlp"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
	"daybook.dev/gateway/internal/serve"
)

// TestEveryServiceIsListedAndDescribed asks what grpcurl and load balancers ask.
func TestEveryServiceIsListedAndDescribed(t *testing.T) {
	g := start(t, serve.Config{})
	conn, err := grpc.NewClient(strings.TrimPrefix(g.IngestURL(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(r *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	listed := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	var names []string
	for _, s := range listed.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, service := range []string{logevent.ServiceName, telemetrygateway.ServiceName, otlp.ServiceName} {
		if !slices.Contains(names, service) {
			t.Errorf("%s is not among %q", service, names)
		}
		described := ask(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
		})
		if len(described.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
			t.Errorf("%s is not described: %v", service, described.GetErrorResponse())
		}
		well, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || well.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%s: %v, %v", service, well, err)
		}
	}
}
