package otlp

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:embed definitions.txtpb
var definitions []byte

// Define enters the definitions of the call and of its messages into the
// program's registry, where gRPC reflection finds them: the intake reads bytes,
// and has no generated messages that would have done it. A program that has
// OTLP's own messages keeps those. It may be called any number of times, by
// several goroutines at once.
func Define() error { return define() }

var define = sync.OnceValue(func() error {
	var all descriptorpb.FileDescriptorSet
	if err := prototext.Unmarshal(definitions, &all); err != nil {
		return fmt.Errorf("otlp: definitions: %w", err)
	}
	for _, file := range all.GetFile() { // each stands behind those it needs
		if err := enter(file); err != nil {
			return fmt.Errorf("otlp: definitions: %s: %w", file.GetName(), err)
		}
	}
	return nil
})

func enter(file *descriptorpb.FileDescriptorProto) error {
	known := protoregistry.GlobalFiles
	if _, err := known.FindFileByPath(file.GetName()); !errors.Is(err, protoregistry.NotFound) {
		return err
	}
	defined, err := protodesc.NewFile(file, known)
	if err != nil {
		return err
	}
	return known.RegisterFile(defined)
}
