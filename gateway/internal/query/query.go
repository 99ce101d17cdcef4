// Package query reads what the store keeps: it follows the records and writes
// each event as a row, the one shape in which Daybook shows an event.
package query
