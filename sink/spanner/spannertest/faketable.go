package spannertest

import (
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// A table of the fake.
type table struct {
	columns []field
	key     string
	rows    map[string]map[string]*structpb.Value
	order   []string
}

// A field is a column of a table.
type field struct {
	name, kind       string
	required, commit bool
}

// An insertion is rows on their way into a table.
type insertion struct {
	*table

	rows  map[string]map[string]*structpb.Value
	order []string
}

func (t *table) stage(w *spannerpb.Mutation_Write, now time.Time) (insertion, error) {
	into := insertion{table: t, rows: map[string]map[string]*structpb.Value{}}
	for _, values := range w.Values {
		row, err := t.row(w.Table, w.Columns, values.Values, now)
		if err != nil {
			return into, err
		}
		key := row[t.key].GetStringValue()
		if t.rows[key] != nil || into.rows[key] != nil {
			return into, status.Errorf(codes.AlreadyExists, "Table %s: Row {String(%q)} already exists.", w.Table, key)
		}
		into.rows[key] = row
		into.order = append(into.order, key)
	}
	return into, nil
}

// row returns a row of the table, with the commit's timestamp filled in.
func (t *table) row(name string, columns []string, values []*structpb.Value, now time.Time) (map[string]*structpb.Value, error) {
	row := map[string]*structpb.Value{}
	for i, column := range columns {
		at := slices.IndexFunc(t.columns, func(f field) bool { return f.name == column })
		if at < 0 {
			return nil, status.Errorf(codes.NotFound, "Column not found in table %s: %s", name, column)
		}
		value := values[i]
		if t.columns[at].commit && value.GetStringValue() == "spanner.commit_timestamp()" {
			value = structpb.NewStringValue(now.UTC().Format(time.RFC3339Nano))
		}
		if err := t.columns[at].check(value); err != nil {
			return nil, err
		}
		row[column] = value
	}
	for _, f := range t.columns {
		if f.required && row[f.name].GetKind() == nil {
			return nil, status.Errorf(codes.FailedPrecondition, "A new row in table %s does not specify a non-null value for NOT NULL column: %s", name, f.name)
		}
	}
	return row, nil
}

// check refuses what a column does not hold, quoting it as Spanner does.
func (f field) check(v *structpb.Value) error {
	if _, null := v.Kind.(*structpb.Value_NullValue); null {
		if f.required {
			return status.Errorf(codes.FailedPrecondition, "Cannot specify a null value for column: %s", f.name)
		}
		return nil
	}
	text := v.GetStringValue()
	good := true
	switch f.kind {
	case "JSON":
		good = json.Valid([]byte(text))
	case "TIMESTAMP":
		_, err := time.Parse(time.RFC3339Nano, text)
		good = err == nil
	case "STRING(36)":
		good = len(text) <= 36
	}
	if !good {
		return status.Errorf(codes.FailedPrecondition, "Could not parse %s as a %s", text, f.kind)
	}
	return nil
}

var (
	create     = regexp.MustCompile("^CREATE TABLE `?(\\w+)`? \\(([^;]*)\\) PRIMARY KEY \\((\\w+)\\)$")
	definition = regexp.MustCompile(`(?m)^\s*(\w+) (\w+(?:\(\w+\))?)( NOT NULL)?( OPTIONS \(allow_commit_timestamp ?= ?true\))?,$`)
)
