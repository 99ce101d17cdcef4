package pubsub

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"daybook.dev"
)

// check finds what cannot be meant.
func (c Config) check() error {
	switch {
	case c.Project == "" || strings.ContainsAny(c.Project, "/ "):
		return invalid("project", "the project is its id, without projects/")
	case c.Topic == "" || strings.ContainsAny(c.Topic, "/ "):
		return invalid("topic", "the topic is its id, without projects/ and topics/")
	case c.Timeout < 0 || c.MaxRequests < 0:
		return invalid("", "times and counts are not negative")
	case c.Emulator != "" && (c.CredentialsFile != "" || c.Endpoint != ""):
		return invalid("emulator", "an emulator has neither credentials nor another endpoint; is PUBSUB_EMULATOR_HOST set by mistake?")
	case strings.ContainsAny(c.Emulator, "/@ "):
		return invalid("emulator", "the emulator is host:port")
	case strings.ContainsAny(c.Endpoint, "/@ "):
		return invalid("endpoint", "the endpoint is host:port")
	}
	switch c.OrderingKey {
	case "", NoOrder, OrderingActor:
		return nil
	default:
		return invalid("ordering_key", fmt.Sprintf("%q is not one of none, actor", c.OrderingKey))
	}
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_config", Message: message}
}

// options are the client library's words for c.
func (c Config) options() ([]option.ClientOption, error) {
	// Its own traces cost more than a message does.
	options := []option.ClientOption{option.WithTelemetryDisabled()}
	if c.Emulator != "" {
		return append(options,
			option.WithEndpoint(c.Emulator),
			option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))), nil
	}
	if c.Endpoint != "" {
		options = append(options, option.WithEndpoint(c.Endpoint))
	}
	if c.CredentialsFile != "" {
		kind, err := credentialsType(c.CredentialsFile)
		if err != nil {
			return nil, err
		}
		options = append(options, option.WithAuthCredentialsFile(kind, c.CredentialsFile))
	}
	return options, nil
}

// credentialsType returns what kind of credentials a file says it has. It is the
// operator's file: whatever it is, is meant.
func credentialsType(path string) (option.CredentialsType, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", invalid("credentials_file", err.Error())
	}
	var file struct {
		Type option.CredentialsType `json:"type"`
	}
	if json.Unmarshal(text, &file) != nil || file.Type == "" {
		// The decoder's error is not shown: it may quote the key.
		return "", invalid("credentials_file", path+" is no file of credentials: it is JSON with a type, such as service_account")
	}
	return file.Type, nil
}

// name is the full name of the topic.
func (c Config) name() string { return "projects/" + c.Project + "/topics/" + c.Topic }
