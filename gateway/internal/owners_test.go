package internal_test

import (
	"slices"
	"strings"
	"testing"
)

// owners says which folders import what comes from outside. A module with one
// owner can be exchanged by changing one room.
var owners = map[string][]string{
	"cel.dev/cel-go":                           {"internal/rule"},
	"connectrpc.com/connect":                   {"internal/gen", "internal/intake"},
	"connectrpc.com/grpchealth":                {"internal/intake/rpcinfo"},
	"connectrpc.com/grpcreflect":               {"internal/intake/rpcinfo"},
	"github.com/cespare/xxhash/v2":             {"internal/admit"},
	"github.com/coreos/go-oidc/v3":             {"internal/caller/token"},
	"github.com/go-jose/go-jose/v4":            {"internal/caller/token"},
	"github.com/go-json-experiment/json":       {"internal/admit", "internal/intake", "internal/members", "internal/query", "internal/rule", "internal/schema", "cmd/daybook"},
	"github.com/goccy/go-yaml":                 {"internal/serve"},
	"github.com/google/uuid":                   {"internal/admit", "internal/serve", "cmd/daybook"},
	"github.com/klauspost/compress":            {"internal/intake"},
	"github.com/prometheus/client_golang":      {"internal/serve"},
	"github.com/spf13/cobra":                   {"cmd/daybook"},
	"github.com/spf13/pflag":                   {"cmd/daybook"},
	"github.com/santhosh-tekuri/jsonschema/v6": {"internal/schema"},
	"golang.org/x/crypto/ssh":                  {"internal/caller/license"},
	"golang.org/x/crypto/argon2":               {"internal/caller"},
	"golang.org/x/crypto/bcrypt":               {"internal/caller"},
	"golang.org/x/net":                         {"internal/serve"},
	"golang.org/x/mod":                         {"internal/store/evidence"},
	"golang.org/x/term":                        {"cmd/daybook"},
	"golang.org/x/time":                        {"internal/caller", "internal/replay"},
	"google.golang.org/protobuf":               {"internal/gen", "internal/intake"},
}

// forTests may be imported by every test: what tests are made with, and what
// callers call us with.
var forTests = []string{
	"connectrpc.com/connect",
	"github.com/google/uuid",
	"github.com/jackc/pgx/v5",
	"github.com/klauspost/compress",
	"github.com/rogpeppe/go-internal",
	"go.opentelemetry.io/collector/pdata", // what package otlp is compared with
	"go.uber.org/goleak",
	"golang.org/x/net/http2",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
	"pgregory.net/rapid",
}

func TestOutsideModulesHaveOwners(t *testing.T) {
	for _, i := range imports(t) {
		if !outside(i.path) || i.test && slices.ContainsFunc(forTests, within(i.path)) {
			continue
		}
		if !slices.ContainsFunc(ownersOf(i.path), within(i.from)) {
			t.Errorf("%s imports %s, which belongs to %q: use what its owner offers, or change this table and say why", i.file, i.path, ownersOf(i.path))
		}
	}
}

// Technologies are at the leaves: every other room gets sinks, and knows no
// name of one.
func TestOnlyServeKnowsWhatSinksAreMadeOf(t *testing.T) {
	for _, i := range imports(t) {
		if within(i.path)("daybook.dev/sink") && i.from != "internal/serve" && !i.test {
			t.Errorf("%s imports %s: let serve hand it what it needs", i.file, i.path)
		}
	}
}

// outside tells whether an import is neither Go's nor ours: only the paths of
// modules start with a host name.
func outside(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && first != "daybook.dev"
}

func ownersOf(path string) []string {
	for module, folders := range owners {
		if within(path)(module) {
			return folders
		}
	}
	return nil
}

// within returns a function that tells whether path is root or inside it.
func within(path string) func(root string) bool {
	return func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
}
