package spanner

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	admin "cloud.google.com/go/spanner/admin/database/apiv1"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"google.golang.org/protobuf/types/known/structpb"

	"daybook.dev"
)

// A gap is something the table lacks: a statement that makes it, or, where
// nothing but a person may change what exists, a sentence.
type gap struct {
	text   string
	person bool
}

// Missing returns the statement that makes the table, or what it lacks. What
// exists and is not as it has to be is a sentence with the statement that a
// person may run. The column metadata_text may be absent.
func (s *Sink) Missing(ctx context.Context) ([]string, error) {
	ctx, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	gaps, failed := s.gaps(ctx)
	if failed != nil {
		return nil, failed
	}
	var texts []string
	for _, g := range gaps {
		texts = append(texts, g.text)
	}
	return texts, nil
}

// Create makes the table, or the columns it lacks. Several gateways may do so at
// the same time.
func (s *Sink) Create(ctx context.Context) error {
	ctx, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	gaps, failed := s.gaps(ctx)
	if failed != nil {
		return failed
	}
	var statements []string
	for _, g := range gaps {
		if !g.person {
			statements = append(statements, g.text)
		}
	}
	if len(statements) > 0 {
		failed = s.change(ctx, statements)
		var unseen *daybook.Error
		if gaps, unseen = s.gaps(ctx); unseen != nil {
			return unseen
		}
	}
	switch {
	case len(gaps) == 0:
		return nil // also where somebody else was faster
	case failed != nil:
		return failed
	default:
		return &daybook.Error{Code: daybook.Unimplemented, Where: where, Reason: "table_shape", Message: gaps[0].text}
	}
}

// change runs statements of DDL and waits until they are done.
func (s *Sink) change(ctx context.Context, statements []string) *daybook.Error {
	opts, err := options(s.config)
	if err != nil {
		return err
	}
	a, unknown := admin.NewDatabaseAdminClient(ctx, opts...)
	if unknown != nil {
		return noCredentials()
	}
	defer a.Close()
	operation, refused := a.UpdateDatabaseDdl(ctx, &databasepb.UpdateDatabaseDdlRequest{Database: s.config.Database, Statements: statements})
	if refused == nil {
		refused = operation.Wait(ctx)
	}
	if refused != nil {
		return failure(refused)
	}
	return nil
}

// gaps compares the table with what it has to be.
func (s *Sink) gaps(ctx context.Context) ([]gap, *daybook.Error) {
	found, err := s.existing(ctx)
	if err != nil {
		return nil, err
	}
	table := s.config.Table
	if len(found) == 0 {
		return []gap{{text: createTable(table)}}, nil
	}
	var gaps []gap
	for _, c := range columns {
		e, ok := found[c.name]
		switch {
		case !ok && c.name == textName:
		case !ok:
			add := gap{text: "ALTER TABLE " + quoted(table) + " ADD COLUMN " + c.definition()}
			if c.required { // rows that exist would have no value
				add = gap{text: "column " + c.name + " is missing: " + add.text, person: true}
			}
			gaps = append(gaps, add)
		case !c.holds(e.kind):
			gaps = append(gaps, s.alter(c.name, "has type "+e.kind+", not "+c.kind, c.kind))
		case e.required && !c.required:
			gaps = append(gaps, s.alter(c.name, "demands a value that not every event has", e.kind))
		case c.commit && !e.commit:
			gaps = append(gaps, s.alter(c.name, "does not take the commit's timestamp", "SET OPTIONS (allow_commit_timestamp = true)"))
		}
	}
	return append(gaps, s.foreign(found)...), nil
}

// foreign returns the gaps of columns that are not ours, and of the key.
func (s *Sink) foreign(found map[string]existing) (gaps []gap) {
	var key []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		e := found[name]
		if e.key {
			key = append(key, name)
		}
		ours := slices.ContainsFunc(columns, func(c column) bool { return c.name == name })
		if !ours && e.required && !e.fills {
			gaps = append(gaps, s.alter(name, "is not one of ours and demands a value", e.kind))
		}
	}
	if !slices.Equal(key, []string{keyName}) {
		gaps = append(gaps, gap{text: "the primary key is (" + strings.Join(key, ", ") + "), not (" + keyName + "): such a table cannot be changed, name another", person: true})
	}
	return gaps
}

// alter returns a gap that only a person may close.
func (s *Sink) alter(column, what, change string) gap {
	return gap{text: "column " + column + " " + what + ": ALTER TABLE " + quoted(s.config.Table) + " ALTER COLUMN " + column + " " + change, person: true}
}

// holds tells whether a column of some type can hold ours. A STRING may be
// shorter: who makes it so wants long texts refused. The key may not.
func (c column) holds(kind string) bool {
	if c.name == keyName {
		return kind == c.kind || kind == "STRING(MAX)"
	}
	return kind == c.kind || strings.HasPrefix(c.kind, "STRING") && strings.HasPrefix(kind, "STRING(")
}

// existing is a column as Spanner describes it.
type existing struct {
	kind                         string
	required, fills, commit, key bool
}

const describe = `SELECT c.COLUMN_NAME, c.SPANNER_TYPE, c.IS_NULLABLE = 'NO',
	c.COLUMN_DEFAULT IS NOT NULL OR c.IS_GENERATED = 'ALWAYS' OR c.IS_IDENTITY = 'YES',
	EXISTS (SELECT 1 FROM INFORMATION_SCHEMA.COLUMN_OPTIONS o WHERE o.TABLE_SCHEMA = c.TABLE_SCHEMA AND o.TABLE_NAME = c.TABLE_NAME
		AND o.COLUMN_NAME = c.COLUMN_NAME AND o.OPTION_NAME = 'allow_commit_timestamp' AND o.OPTION_VALUE = 'TRUE'),
	EXISTS (SELECT 1 FROM INFORMATION_SCHEMA.INDEX_COLUMNS i WHERE i.TABLE_SCHEMA = c.TABLE_SCHEMA AND i.TABLE_NAME = c.TABLE_NAME
		AND i.COLUMN_NAME = c.COLUMN_NAME AND i.INDEX_TYPE = 'PRIMARY_KEY')
FROM INFORMATION_SCHEMA.COLUMNS c WHERE c.TABLE_SCHEMA = @schema AND c.TABLE_NAME = @table`

// existing returns the columns of the table by name: none when there is no
// table.
func (s *Sink) existing(ctx context.Context) (map[string]existing, *daybook.Error) {
	schema, table, qualified := strings.Cut(s.config.Table, ".")
	if !qualified {
		schema, table = "", schema
	}
	result, err := call(ctx, s.client, func(ctx context.Context, session string) (*spannerpb.ResultSet, error) {
		return s.client.api.ExecuteSql(ctx, &spannerpb.ExecuteSqlRequest{
			Session: session,
			Sql:     describe,
			Params: &structpb.Struct{Fields: map[string]*structpb.Value{
				"schema": structpb.NewStringValue(schema), "table": structpb.NewStringValue(table),
			}},
		}, noRetry)
	})
	if err != nil {
		return nil, err
	}
	found := map[string]existing{}
	for _, r := range result.Rows {
		v := r.Values
		found[v[0].GetStringValue()] = existing{
			kind: v[1].GetStringValue(), required: v[2].GetBoolValue(), fills: v[3].GetBoolValue(), commit: v[4].GetBoolValue(), key: v[5].GetBoolValue(),
		}
	}
	return found, nil
}

// textColumn knows whether the table has metadata_text. It is asked for only
// when there is something to write into it.
type textColumn struct {
	mu     sync.Mutex // guards what follows
	has    bool
	looked time.Time // zero = never
}

// absence is how long a table is taken not to have the column: a person may
// add it while the gateway runs.
const absence = time.Minute

// there tells whether the table has the column.
func (c *textColumn) there(ctx context.Context, s *Sink) (bool, *daybook.Error) {
	c.mu.Lock()
	has, age := c.has, s.now().Sub(c.looked)
	c.mu.Unlock()
	if has || age < absence {
		return has, nil
	}
	found, err := s.existing(ctx)
	if err != nil {
		return false, err
	}
	e, ok := found[textName]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has, c.looked = ok && strings.HasPrefix(e.kind, "STRING"), s.now()
	return c.has, nil
}

func (c *textColumn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has, c.looked = false, time.Time{}
}
