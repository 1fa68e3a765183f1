// Package test runs real clients and real identity providers against the built binary.
// Its scripts are in clients/, what starts the server is in harness/.
package test
