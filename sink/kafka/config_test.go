package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"daybook.dev"
	"daybook.dev/sink/kafka"
	"daybook.dev/sink/sinktest"
)

func TestOpenRefusesWhatCannotBeMeant(t *testing.T) {
	const secret = "hunter2"
	good := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topic: topic, Unchecked: true}
	for _, test := range []struct {
		name, field string
		change      func(*kafka.Config)
	}{
		{"no brokers", "brokers", func(c *kafka.Config) { c.Brokers = nil }},
		{"an address with a password", "brokers", func(c *kafka.Config) { c.Brokers = []string{"ann:" + secret + "@kafka:9092"} }},
		{"an address with a scheme", "brokers", func(c *kafka.Config) { c.Brokers = []string{"kafka://kafka:9092"} }},
		{"no topic", "topic", func(c *kafka.Config) { c.Topic = "" }},
		{"an unknown key", "key", func(c *kafka.Config) { c.Key = "name" }},
		{"an unknown mechanism", "mechanism", func(c *kafka.Config) { c.Mechanism, c.User, c.Password = "gssapi", "ann", secret }},
		{"a password without a mechanism", "mechanism", func(c *kafka.Config) { c.Password = secret }},
		{"a mechanism without a password", "user", func(c *kafka.Config) { c.Mechanism, c.User = kafka.Plain, "ann" }},
		{"a negative timeout", "", func(c *kafka.Config) { c.Timeout = -time.Second }},
		{"a size that no batch has", "max_message", func(c *kafka.Config) { c.MaxMessageBytes = 1 }},
		{"a size that would turn round", "max_message", func(c *kafka.Config) { c.MaxMessageBytes = 1 << 32 }},
		{"more replicas than Kafka can count", "replicas", func(c *kafka.Config) { c.Replicas = 1 << 16 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := good
			test.change(&config)
			_, err := kafka.Open(t.Context(), config)
			e, ok := errors.AsType[*daybook.Error](err)
			if !ok || e.Code != daybook.Invalid || e.Field != test.field {
				t.Fatalf("error is %v, want an invalid %q", err, test.field)
			}
			sinktest.CheckText(t, err, secret)
		})
	}
}

func TestLogin(t *testing.T) {
	const user, password = "ann", "correct horse"
	for word, mechanism := range map[string]kafka.Mechanism{
		"PLAIN": kafka.Plain, "SCRAM-SHA-256": kafka.ScramSHA256, "SCRAM-SHA-512": kafka.ScramSHA512,
	} {
		t.Run(word, func(t *testing.T) {
			c := start(t, kfake.EnableSASL(), kfake.Superuser(word, user, password))
			config := kafka.Config{Brokers: c.ListenAddrs(), Topic: topic, Mechanism: mechanism, User: user, Password: password, Timeout: patience}
			s, err := kafka.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), events(2)); err != nil {
				t.Error(err)
			}
			closeSink(t, s)

			c.refuseLogins()
			config.Password = "battery staple"
			if _, err := kafka.Open(t.Context(), config); daybook.CodeOf(err) != daybook.Unauthenticated {
				t.Errorf("a wrong password, asked: %v (%v)", err, daybook.CodeOf(err))
			} else {
				sinktest.CheckText(t, err, config.Password, user)
			}

			config.Unchecked, config.Timeout = true, time.Second
			s, err = kafka.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer closeSink(t, s)
			err = s.Write(t.Context(), events(2))
			for end := time.Now().Add(patience); daybook.CodeOf(err) == daybook.Unavailable && time.Now().Before(end); {
				err = s.Write(t.Context(), events(2)) // it had no time to log in
			}
			if daybook.CodeOf(err) != daybook.Unauthenticated {
				t.Errorf("a wrong password, written: %v (%v)", err, daybook.CodeOf(err))
			} else {
				sinktest.CheckText(t, err, config.Password, user)
			}
		})
	}
}

// refuseLogins makes the brokers answer logins as Kafka does when the password
// is wrong; the fake closes the connection instead.
func (c *cluster) refuseLogins() {
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		text := "Authentication failed: Invalid username or password"
		answer.ErrorMessage = &text
		return answer, nil, true
	})
}

func TestAUserWhoMayNotWriteIsDenied(t *testing.T) {
	may := func(operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	c := start(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "secret"),
		kfake.User("PLAIN", "reader", "secret", may(kmsg.ACLOperationDescribe), may(kmsg.ACLOperationRead)),
		kfake.User("PLAIN", "writer", "secret", may(kmsg.ACLOperationDescribe), may(kmsg.ACLOperationWrite)))
	as := func(user string) func(*kafka.Config) {
		return func(config *kafka.Config) {
			config.Mechanism, config.User, config.Password = kafka.Plain, user, "secret"
		}
	}
	if err := c.open(t, as("writer")).Write(t.Context(), events(2)); err != nil {
		t.Errorf("who may write: %v", err)
	}
	reader := c.open(t, as("reader"))
	if err := reader.Write(t.Context(), events(2)); daybook.CodeOf(err) != daybook.Denied {
		t.Errorf("who may not write: %v (%v)", err, daybook.CodeOf(err))
	}
	elsewhere := c.open(t, as("writer"), func(config *kafka.Config) { config.Topic = "elsewhere" })
	if err := elsewhere.Create(t.Context()); daybook.CodeOf(err) != daybook.Denied {
		t.Errorf("who may not create: %v (%v)", err, daybook.CodeOf(err))
	}
}

func TestTLS(t *testing.T) {
	// Its certificate is for example.com, and its client knows the authority.
	issuer := httptest.NewTLSServer(nil)
	t.Cleanup(issuer.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(issuer.Certificate())
	c := start(t, kfake.TLS(&tls.Config{Certificates: issuer.TLS.Certificates}))
	open := func(config *tls.Config) error {
		s, err := kafka.Open(t.Context(), kafka.Config{Brokers: c.ListenAddrs(), Topic: topic, TLS: config, Timeout: patience})
		if err != nil {
			return err
		}
		defer closeSink(t, s)
		return s.Write(t.Context(), events(2))
	}
	for _, test := range []struct {
		name string
		tls  *tls.Config
		want daybook.Code
	}{
		{"a certificate of a known authority", &tls.Config{RootCAs: trusted, ServerName: "example.com"}, daybook.OK},
		{"one of an unknown authority", &tls.Config{ServerName: "example.com"}, daybook.Denied},
		{"one for another name", &tls.Config{RootCAs: trusted, ServerName: "example.org"}, daybook.Denied},
		{"no TLS at all", nil, daybook.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := open(test.tls); daybook.CodeOf(err) != test.want {
				t.Errorf("error is %v (%v), want %v", err, daybook.CodeOf(err), test.want)
			}
		})
	}
}

func TestTopicsAreMadeByCreateAlone(t *testing.T) {
	c := start(t, kfake.AllowAutoTopicCreation())
	s := c.open(t, func(config *kafka.Config) { config.Topic, config.Partitions, config.Replicas = "new", 4, 1 })
	if err := s.Write(t.Context(), events(1)); daybook.CodeOf(err) != daybook.Unimplemented {
		t.Errorf("Write before: %v (%v)", err, daybook.CodeOf(err))
	}
	missing := func(want ...string) {
		t.Helper()
		if got, err := s.Missing(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("missing: %q, %v; want %q", got, err, want)
		}
	}
	missing("kafka-topics.sh --bootstrap-server " + c.ListenAddrs()[0] + " --create --topic new --partitions 4 --replication-factor 1")
	for range 2 {
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	missing()
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Errorf("Write after: %v", err)
	}
	if got := len(c.PartitionInfos("new")); got != 4 {
		t.Errorf("the topic has %d partitions", got)
	}
}

func TestCreateGivesUpWithItsContext(t *testing.T) {
	c := start(t)
	s := c.open(t, func(config *kafka.Config) { config.Topic, config.Timeout = "new", time.Second })
	c.mode.Store(hanging)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Create(ctx); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("error is %v", err)
	}
}
