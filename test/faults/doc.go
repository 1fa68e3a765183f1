// Package faults holds the tests of what goes wrong around a server: a disk that is full, slow or
// fails, files that are damaged, clients that do not read, clients that all come back at once, and
// too little memory. `go test ./test/faults` runs them in short; FAULTS=long, as `make torture` sets
// it, at the length that docs/reliability.md reports.
package faults
