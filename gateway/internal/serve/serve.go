// Package serve turns a configuration into a running gateway: it reads the
// configuration, opens the parts in order, and stops them in reverse.
package serve
