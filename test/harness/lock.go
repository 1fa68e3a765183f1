//go:build unix

package harness

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile waits until this process alone holds the file.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}

	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()

		return nil, fmt.Errorf("locking %s: %w", path, err)
	}

	return func() { _ = file.Close() }, nil
}
