package caddysync

import (
	"math"
	"os"
	"runtime/debug"
)

// memoryReserve is what the process may use beside a store's memory before the garbage
// collector works harder (DECISIONS 37).
const memoryReserve = 64 << 20

// setMemoryLimit bounds the heap for a store of that memory. An operator's GOMEMLIMIT
// wins.
func setMemoryLimit(memory int64) {
	if memory <= 0 || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(memory + memoryReserve)
}

// resetMemoryLimit takes the limit away when the store is closed.
func resetMemoryLimit() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(math.MaxInt64)
	}
}
