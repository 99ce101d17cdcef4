// Package internal_test holds the order of the rooms: which package may import
// which, and who owns an outside module. ARCHITECTURE.md explains it; a package
// without a row here fails the test.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

const module = "daybook.dev/gateway"

// ranks: a package imports only packages of a lower rank than its own, so
// siblings never meet. Its tests may also import what has the same rank: they
// open the real thing beside them rather than an imitation of it.
var ranks = map[string]int{
	"internal/attempt":                  1,
	"internal/caller/license":           1,
	"internal/caller/token":             1,
	"internal/gen/events/v1":            1,
	"internal/members":                  1,
	"internal/gen/telemetrygateway/v1":  1,
	"internal/nearest":                  1,
	"internal/store":                    1,
	"internal/admit":                    2,
	"internal/caller":                   2,
	"internal/rule":                     2,
	"internal/schema":                   2,
	"internal/store/direct":             2,
	"internal/store/evidence":           2,
	"internal/store/journal":            2,
	"internal/store/journal/formattest": 2,
	"internal/store/storetest":          2,
	"internal/accept":                   3,
	"internal/deadletter":               3,
	"internal/deliver":                  3,
	"internal/deliver/delivertest":      3,
	"internal/keyring":                  3,
	"internal/ledger":                   3,
	"internal/query":                    3,
	"internal/query/querytest":          3,
	"internal/replay":                   3,
	"internal/intake/rfc3339":           3,
	"internal/intake/strictjson":        3,
	"internal/intake/wirejson":          3,
	"internal/intake":                   4,
	"internal/intake/eventjson":         4,
	"internal/operations":               4,
	"internal/intake/activity":          5,
	"internal/intake/cloudevents":       5,
	"internal/intake/firstparty":        5,
	"internal/intake/intaketest":        5,
	"internal/intake/logevent":          5,
	"internal/intake/otlp":              5,
	"internal/intake/plainhttp":         5,
	"internal/intake/rpcinfo":           5,
	"internal/intake/segment":           5,
	"internal/intake/settings":          5,
	"internal/intake/telemetrygateway":  5,
	"internal/serve":                    6,
	"cmd/daybook":                       7,
	"gatewaytest":                       7,

	"internal/caller/license/licensetest": 1,
	"internal/caller/token/tokentest":     1,
}

func TestImportsFollowTheRanks(t *testing.T) {
	unknown := map[string]bool{}
	for _, i := range imports(t) {
		own, ok := ranks[i.from]
		if !ok && !unknown[i.from] {
			unknown[i.from] = true
			t.Errorf("package %s has no rank: give it a row in this test and in ARCHITECTURE.md", i.from)
		}
		to, inside := strings.CutPrefix(i.path, module+"/")
		if !ok || !inside || to == i.from {
			continue
		}
		switch rank := ranks[to]; {
		case i.test && rank > own:
			t.Errorf("%s imports %s of rank %d: a test of rank %d may use what is beside its package or below", i.file, to, rank, own)
		case !i.test && rank >= own:
			t.Errorf("%s imports %s of rank %d: a package of rank %d may import only what is below it", i.file, to, rank, own)
		}
	}
}

// An imported is one import of one file.
type imported struct {
	file string // below the module's folder
	from string // the package's folder
	path string // what it imports
	test bool   // in a file of tests
}

// imports reads the imports of every file of the module, whatever the platform
// it is for. It reads the files itself, so that `go test` notices when one has
// changed and does not answer from its cache.
func imports(t *testing.T) []imported {
	t.Helper()
	var all []imported
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".go" || path.Dir(file) == "internal" {
			return err
		}
		source, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all = append(all, imported{file, path.Dir(file), target, strings.HasSuffix(file, "_test.go")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("found no imports: this test looks into the wrong folder")
	}
	return all
}
