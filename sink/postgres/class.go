package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"daybook.dev"
)

const where = "postgres"

// Reasons that this package itself acts on.
const (
	reasonValue    = "value_not_storable"
	reasonReadOnly = "read_only"
)

// A class is what a SQLSTATE means for whoever delivers.
type class struct {
	prefix  string // of the SQLSTATE
	code    daybook.Code
	reason  string
	message string
	quote   bool // the server's own words name things of the database, never values
}

// classes are searched in order: longer prefixes stand before shorter ones.
var classes = []class{
	{"22", daybook.Invalid, reasonValue, "the server refuses a value of the event", false},
	{"23502", daybook.Invalid, "constraint_violated", "the table demands a value that the event does not have", false},
	{"23505", daybook.Conflict, "unique_violated", "another row has a value that must be unique", false},
	{"23", daybook.Invalid, "constraint_violated", "a constraint of the table refuses the event", false},
	{"44000", daybook.Invalid, "constraint_violated", "the view refuses the event", false},
	{"54", daybook.Invalid, reasonValue, "the event is beyond a limit of the server", false},
	{"P0001", daybook.Invalid, "trigger_refused", "a trigger of the table refuses the event", false},

	{"28", daybook.Unauthenticated, "login_refused", "the server does not accept the user, the password or the certificate", false},
	{"42501", daybook.Denied, "permission_denied", "the role may not write this table", true},
	{"3D000", daybook.Unimplemented, "database_missing", "the database does not exist", true},
	{"3F000", daybook.Unimplemented, "table_missing", "the schema does not exist", true},
	{"42P05", daybook.Unimplemented, "not_supported", "prepared statements meet on one connection of a pooler: leave default_query_exec_mode out of the DSN", false},
	{"26000", daybook.Unimplemented, "not_supported", "a prepared statement is on another connection of a pooler: leave default_query_exec_mode out of the DSN", false},
	{"42P01", daybook.Unimplemented, "table_missing", "the table does not exist", true},
	{"42", daybook.Unimplemented, "table_shape", "the table is not as it has to be", true},
	{"0A", daybook.Unimplemented, "not_supported", "the server does not support this", true},

	{"53100", daybook.Exhausted, "disk_full", "the server's disk is full", false},
	{"53300", daybook.Exhausted, "too_many_connections", "the server takes no more connections", true},
	{"53", daybook.Exhausted, "server_exhausted", "the server has run out of something", true},

	{"25006", daybook.Unavailable, reasonReadOnly, "the server only reads: a standby, or set so", true},
	{"25", daybook.Unavailable, "server_unavailable", "the server cannot write now", true},
	{"40", daybook.Unavailable, "server_unavailable", "the transaction lost against another one", false},
	{"08", daybook.Unavailable, "server_unavailable", "the connection failed", false},
	{"55", daybook.Unavailable, "server_unavailable", "something of the server is in use", true},
	{"57", daybook.Unavailable, "server_unavailable", "the server stopped the statement or the connection", true},
}

// failure returns an error of the driver as ours. It does not wrap it: the
// driver's texts name the user, and a server's may quote what was sent.
func failure(err error) *daybook.Error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal(pe)
	}
	e := &daybook.Error{Code: daybook.Unavailable, Where: where, Reason: "server_unavailable"}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.Err = "no answer in time; it may or may not be stored", context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		e.Message, e.Err = "given up before the answer; it may or may not be stored", context.Canceled
	case untrusted(err):
		e.Code, e.Reason, e.Message = daybook.Unauthenticated, "certificate_refused", "the server's certificate is not trusted"
	default:
		e.Message, e.Err = "no connection to the server", onTheWay(err)
	}
	return e
}

// refusal returns what the server said as ours.
func refusal(pe *pgconn.PgError) *daybook.Error {
	c := class{code: daybook.Internal, reason: "server_failed", message: "the server failed"}
	for _, candidate := range classes {
		if strings.HasPrefix(pe.Code, candidate.prefix) {
			c = candidate
			break
		}
	}
	switch {
	case pe.Code == "23502" && !ours(pe.ColumnName):
		c.code, c.reason, c.message = daybook.Unimplemented, "table_shape", "the table demands a column that no event has"
	case pe.Code == "23514" && pe.ConstraintName == "":
		c.code, c.reason, c.message = daybook.Unimplemented, "table_shape", "no partition of the table takes the event"
	}
	cause := []string{"SQLSTATE " + pe.Code}
	for _, name := range []string{pe.ConstraintName, pe.ColumnName} {
		if name != "" {
			cause = append(cause, name)
		}
	}
	if c.quote && pe.Where == "" { // a trigger may say anything
		cause = append(cause, pe.Message)
	}
	return &daybook.Error{Code: c.code, Where: where, Reason: c.reason, Message: c.message, Err: errors.New(strings.Join(cause, ": "))}
}

func ours(name string) bool {
	for _, c := range columns {
		if c.name == name {
			return true
		}
	}
	return false
}

func untrusted(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

// onTheWay returns the part of a driver's error that tells about the network:
// addresses, and no user.
func onTheWay(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	return nil
}
