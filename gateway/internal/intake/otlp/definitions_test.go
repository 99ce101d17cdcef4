package otlp_test

import (
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"daybook.dev/gateway/internal/intake/otlp"
)

// methodOf is the call as reflection describes it.
func methodOf(t *testing.T) protoreflect.MethodDescriptor {
	t.Helper()
	var defining sync.WaitGroup
	for range 4 { // as gateways of one process do
		defining.Go(func() {
			if err := otlp.Define(); err != nil {
				t.Error(err)
			}
		})
	}
	defining.Wait()
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(otlp.ServiceName + ".Export")
	if err != nil {
		t.Fatal(err)
	}
	return found.(protoreflect.MethodDescriptor)
}

// TestDefinitionsAreThoseThatExportersUse reads what an exporter writes with the
// definitions: nothing of it is unknown to them, it has the names of OTLP's JSON,
// and written again it says the same.
func TestDefinitionsAreThoseThatExportersUse(t *testing.T) {
	m := dynamicpb.NewMessage(methodOf(t).Input())
	logs := everythingWithoutIDs()
	if err := proto.Unmarshal([]byte(wire(t, logs)), m); err != nil {
		t.Fatal(err)
	}
	named, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again := plogotlp.NewExportRequest()
	if err := again.UnmarshalJSON(named); err != nil {
		t.Fatalf("OTLP does not know the names: %v: %s", err, named)
	}
	if got := wire(t, again.Logs()); got != wire(t, logs) {
		t.Errorf("by the names of the definitions it says something else: %s", named)
	}
	noneUnknown(t, m)
	for name, number := range map[protoreflect.FullName]protoreflect.FieldNumber{ // which JSON writes differently
		"opentelemetry.proto.logs.v1.LogRecord.trace_id":       9,
		"opentelemetry.proto.logs.v1.LogRecord.span_id":        10,
		"opentelemetry.proto.common.v1.AnyValue.bytes_value":   7,
		"opentelemetry.proto.resource.v1.Resource.entity_refs": 3,
	} {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil || found.(protoreflect.FieldDescriptor).Number() != number {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

// everythingWithoutIDs has every field of a request that means the same in OTLP's
// JSON and in that of Protocol Buffers: ids and bytes are written differently.
func everythingWithoutIDs() plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.SetSchemaUrl("https://example.com/resource")
	resource.Resource().Attributes().PutStr("service.name", "shop")
	resource.Resource().SetDroppedAttributesCount(1)
	scope := resource.ScopeLogs().AppendEmpty()
	scope.SetSchemaUrl("https://example.com/scope")
	scope.Scope().SetName("cart")
	scope.Scope().SetVersion("1.2")
	scope.Scope().Attributes().PutBool("ours", true)
	scope.Scope().SetDroppedAttributesCount(2)
	r := scope.LogRecords().AppendEmpty()
	r.SetTimestamp(1)
	r.SetObservedTimestamp(2)
	r.SetSeverityNumber(plog.SeverityNumberFatal4)
	r.SetSeverityText("fatal")
	r.SetEventName("order-paid")
	r.SetDroppedAttributesCount(3)
	r.SetFlags(4)
	r.Body().SetStr("paid")
	a := r.Attributes()
	a.PutInt("int", -5)
	a.PutDouble("double", 1.5)
	a.PutEmpty("none")
	list := a.PutEmptySlice("list")
	list.AppendEmpty().SetBool(false)
	list.AppendEmpty().SetEmptyMap().PutStr("deep", "text")
	a.PutEmptySlice("empty")
	return logs
}

// noneUnknown fails where m has fields that its definition lacks.
func noneUnknown(t *testing.T, m protoreflect.Message) {
	t.Helper()
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		t.Errorf("%s lacks the fields of %x", m.Descriptor().FullName(), unknown)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				noneUnknown(t, v.List().Get(i).Message())
			}
		default:
			noneUnknown(t, v.Message())
		}
		return true
	})
}
