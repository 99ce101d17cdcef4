package spanner

import "strings"

// A column of the table, in the order in which a mutation gives values.
type column struct {
	name     string
	kind     string // as Spanner writes it; a STRING may have another length
	required bool   // NOT NULL
	commit   bool   // filled in with the commit's timestamp
}

// columns are what every row is written with, and at the end metadata_text,
// which is written only where a row needs it and the table has it. The column
// value of the contract is never written.
var columns = []column{
	{name: "event_id", kind: "STRING(36)", required: true},
	{name: "event_name", kind: "STRING(MAX)", required: true},
	{name: "event_type", kind: "STRING(MAX)"},
	{name: "actor_id", kind: "STRING(MAX)"},
	{name: "event_ts", kind: "TIMESTAMP", required: true},
	{name: "metadata", kind: "JSON"},
	{name: "ingested_at", kind: "TIMESTAMP", required: true, commit: true},
	{name: textName, kind: "STRING(MAX)"},
}

const (
	keyName  = "event_id"
	textName = "metadata_text"
)

// names returns the columns that a mutation writes.
func names(withText bool) []string {
	list := make([]string, 0, len(columns))
	for _, c := range columns {
		if c.name != textName || withText {
			list = append(list, c.name)
		}
	}
	return list
}

func (c column) definition() string {
	d := c.name + " " + c.kind
	if c.required {
		d += " NOT NULL"
	}
	if c.commit {
		d += " OPTIONS (allow_commit_timestamp = true)"
	}
	return d
}

// createTable returns the statement that makes the table as it should be. It
// has no secondary index: one on a time alone would make a single server of
// the fleet take every write.
func createTable(table string) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE " + quoted(table) + " (\n")
	for _, c := range columns {
		b.WriteString("\t" + c.definition() + ",\n")
	}
	b.WriteString(") PRIMARY KEY (" + keyName + ")")
	return b.String()
}

// quoted writes a table's name so that it may be a word of the language.
func quoted(table string) string {
	return "`" + strings.ReplaceAll(table, ".", "`.`") + "`"
}
