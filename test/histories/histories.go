// Package histories says how many random histories the tests play beside their models.
package histories

import (
	"os"
	"strconv"
)

// Count is what HISTORIES says, and usual if it says nothing (docs/reliability.md).
func Count(usual int) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("HISTORIES"), 10, 32); err == nil {
		return n
	}
	return uint64(usual)
}
