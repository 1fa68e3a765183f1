package caddysync

import (
	"os"
	"runtime/debug"
)

// memoryReserve is what the process may use beside a store's memory before the garbage
// collector works harder (DECISIONS 37).
const memoryReserve = 64 << 20

// setMemoryLimit bounds the heap for a store of that memory and returns how to take that
// back. An operator's GOMEMLIMIT wins.
func setMemoryLimit(memory int64) (restore func()) {
	if memory <= 0 || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(memory + memoryReserve)
	return func() { debug.SetMemoryLimit(before) }
}
