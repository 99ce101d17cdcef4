package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"daybook.dev"
)

// A gap is something the table lacks: a statement that makes it, or, where
// nothing but a person may change what exists, a sentence.
type gap struct {
	text   string
	person bool
}

// Missing returns the statements that make the table, or what it lacks. What
// exists and is not as it has to be (a column of another type, a right that the
// role does not have) is a sentence with the statement that a person may run.
func (s *Sink) Missing(ctx context.Context) ([]string, error) {
	ctx, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	gaps, err := s.inTransaction(ctx, func(tx pgx.Tx) ([]gap, error) { return s.table.gaps(ctx, tx) })
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, g := range gaps {
		texts = append(texts, g.text)
	}
	return texts, nil
}

// Create makes the table, its indexes, or the columns it lacks, in one
// transaction. Several gateways may do so at the same time.
func (s *Sink) Create(ctx context.Context) error {
	ctx, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	left, err := s.inTransaction(ctx, func(tx pgx.Tx) ([]gap, error) {
		// The number is this package's own: it keeps two creators apart.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(7306087520416359)"); err != nil {
			return nil, err
		}
		gaps, err := s.table.gaps(ctx, tx)
		if err != nil {
			return nil, err
		}
		for _, g := range gaps {
			if g.person {
				continue
			}
			if _, err := tx.Exec(ctx, g.text); err != nil {
				return nil, err
			}
		}
		return slices.DeleteFunc(gaps, func(g gap) bool { return !g.person }), nil
	})
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return &daybook.Error{Code: daybook.Unimplemented, Where: where, Reason: "table_shape", Message: left[0].text}
	}
	return nil
}

// inTransaction runs look in a transaction, with errors as ours.
func (s *Sink) inTransaction(ctx context.Context, look func(pgx.Tx) ([]gap, error)) ([]gap, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var gaps []gap
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		gaps, err = look(tx)
		return err
	})
	if err != nil {
		return nil, failure(err)
	}
	return gaps, nil
}

// gaps compares the table with what it has to be.
func (t table) gaps(ctx context.Context, tx pgx.Tx) ([]gap, error) {
	var found, schema bool
	var role string
	err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, $2 = '' OR to_regnamespace($2) IS NOT NULL, current_user`,
		t.String(), t.namespace()).Scan(&found, &schema, &role)
	if err != nil {
		return nil, err
	}
	if !found {
		return t.absent(schema), nil
	}
	gaps, err := t.wrongColumns(ctx, tx)
	if err != nil {
		return nil, err
	}
	var unique, allowed bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM pg_index i
			WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 2
				AND 2 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('event_id', 'scope')
					AND a.attnum IN (i.indkey[0], i.indkey[1]))),
			has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT')
		FROM pg_class c WHERE c.oid = to_regclass($1)`, t.String()).Scan(&unique, &allowed)
	if err != nil {
		return nil, err
	}
	if !unique {
		gaps = append(gaps, gap{text: "CREATE UNIQUE INDEX ON " + t.String() + " (" + key + ")"})
	}
	if !allowed {
		grant := "GRANT INSERT, SELECT ON " + t.String() + " TO " + pgx.Identifier{role}.Sanitize()
		gaps = append(gaps, gap{text: "the role may not write: " + grant, person: true})
	}
	return gaps, nil
}

func (t table) absent(schema bool) (gaps []gap) {
	if !schema {
		gaps = append(gaps, gap{text: "CREATE SCHEMA " + t.namespace()})
	}
	for _, statement := range t.create() {
		gaps = append(gaps, gap{text: statement})
	}
	return gaps
}

func (t table) namespace() string {
	if t.schema == "" {
		return ""
	}
	return pgx.Identifier{t.schema}.Sanitize()
}

// existing is a column as the server describes it.
type existing struct {
	name            string
	kind            string
	required, fills bool // NOT NULL; has a value when an insert gives none
}

// wrongColumns compares column by column.
func (t table) wrongColumns(ctx context.Context, tx pgx.Tx) ([]gap, error) {
	rows, err := tx.Query(ctx, `SELECT attname::text, format_type(atttypid, atttypmod), attnotnull,
			atthasdef OR attidentity <> '' OR attgenerated <> ''
		FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, t.String())
	if err != nil {
		return nil, err
	}
	found := map[string]existing{}
	var gaps []gap
	var e existing
	_, err = pgx.ForEachRow(rows, []any{&e.name, &e.kind, &e.required, &e.fills}, func() error {
		found[e.name] = e
		if !ours(e.name) && e.required && !e.fills {
			gaps = append(gaps, t.alter(e.name, "is not one of ours and demands a value", "DROP NOT NULL"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range columns {
		e, ok := found[c.name]
		switch {
		case !ok:
			add := gap{text: "ALTER TABLE " + t.String() + " ADD COLUMN " + c.definition()}
			if c.required && c.fill == "" { // rows that exist would have no value
				add = gap{text: "column " + c.name + " is missing: " + add.text, person: true}
			}
			gaps = append(gaps, add)
		case e.kind != c.kind && !(c.kind == "text" && e.kind == "character varying"):
			gaps = append(gaps, t.alter(c.name, "has type "+e.kind+", not "+c.kind, "TYPE "+c.kind))
		case e.required && !c.required:
			gaps = append(gaps, t.alter(c.name, "demands a value that not every event has", "DROP NOT NULL"))
		case c.fill != "" && !e.fills:
			gaps = append(gaps, t.alter(c.name, "has no default", "SET DEFAULT "+c.fill))
		}
	}
	return gaps, nil
}

// alter returns a gap that only a person may close.
func (t table) alter(column, what, change string) gap {
	name := pgx.Identifier{column}.Sanitize()
	if ours(column) {
		name = column
	}
	return gap{
		text:   strings.Join([]string{"column ", name, " ", what, ": ALTER TABLE ", t.String(), " ALTER COLUMN ", name, " ", change}, ""),
		person: true,
	}
}
