package postgres

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A column of the table. Every Write gives each of them an array, in the order
// of the list below, except ingested_at, which the server fills in.
type column struct {
	name     string
	kind     string // as format_type writes it
	required bool   // NOT NULL
	fill     string // DEFAULT
}

var columns = []column{
	{name: "event_id", kind: "text", required: true},
	{name: "scope", kind: "text", required: true},
	{name: "event_name", kind: "text", required: true},
	{name: "event_type", kind: "text"},
	{name: "actor_id", kind: "text"},
	{name: "event_ts", kind: "timestamp with time zone", required: true},
	{name: "ingested_at", kind: "timestamp with time zone", required: true, fill: "now()"},
	{name: "received_at", kind: "timestamp with time zone"},
	{name: "caller", kind: "text"},
	{name: "protocol", kind: "text"},
	{name: "instance", kind: "text"},
	{name: "idempotency_key", kind: "text"},
	{name: "sample_rate", kind: "double precision"},
	{name: "metadata", kind: "jsonb"},
	{name: "metadata_text", kind: "text"},
}

// key is what identifies a row. The id comes first: the index then also finds
// an event by its id alone.
const key = "event_id, scope"

func (c column) definition() string {
	d := c.name + " " + c.kind
	if c.required {
		d += " NOT NULL"
	}
	if c.fill != "" {
		d += " DEFAULT " + c.fill
	}
	return d
}

// A table is a name as statements write it.
type table struct {
	schema string // "" = the search path decides
	name   string
}

// parseTable reads "table" or "schema.table".
func parseTable(s string) (table, error) {
	parts := strings.Split(s, ".")
	t := table{name: parts[len(parts)-1]}
	if len(parts) == 2 {
		t.schema = parts[0]
	}
	const longest = 63 // bytes; the server would cut the rest off without a word
	for _, p := range parts {
		if p == "" || len(p) > longest || strings.ContainsRune(p, 0) || len(parts) > 2 {
			return table{}, misconfigured("table", "the table's name must be table or schema.table, each of 1 to 63 bytes")
		}
	}
	return t, nil
}

func (t table) String() string {
	if t.schema == "" {
		return pgx.Identifier{t.name}.Sanitize()
	}
	return pgx.Identifier{t.schema, t.name}.Sanitize()
}

// create returns the statements that make the table as it should be.
func (t table) create() []string {
	var b strings.Builder
	b.WriteString("CREATE TABLE " + t.String() + " (\n")
	for _, c := range columns {
		b.WriteString("\t" + c.definition() + ",\n")
	}
	b.WriteString("\tPRIMARY KEY (" + key + ")\n)")
	return []string{
		b.String(),
		"CREATE INDEX ON " + t.String() + " (event_ts)",
		"CREATE INDEX ON " + t.String() + " (event_name, event_ts)",
	}
}

// insert returns the statement that writes rows given as one array per column.
// However many rows there are, it is the same statement with as many
// parameters. Only the key decides what is a duplicate: another unique index
// that somebody added refuses the row instead of dropping it in silence.
func (t table) insert() string {
	var names, values, params []string
	for _, c := range columns {
		if c.fill != "" {
			continue
		}
		names = append(names, c.name)
		array, value := c.kind, "r."+c.name
		if c.kind == "jsonb" {
			array, value = "text", value+"::jsonb" // one cast for each way of sending parameters
		}
		values = append(values, value)
		params = append(params, "$"+strconv.Itoa(len(params)+1)+"::"+array+"[]")
	}
	list := strings.Join(names, ", ")
	return "INSERT INTO " + t.String() + " (" + list + ")\n" +
		"SELECT " + strings.Join(values, ", ") + "\n" +
		"FROM unnest(" + strings.Join(params, ", ") + ") AS r (" + list + ")\n" +
		"ON CONFLICT (" + key + ") DO NOTHING"
}
