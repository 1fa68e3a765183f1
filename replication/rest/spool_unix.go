//go:build unix

package rest

import (
	"os"
	"syscall"
)

// mapFile maps the first size bytes of file, privately and writable, so that a reader
// that works in place does no harm, and removes its name.
func mapFile(file *os.File, size int64) ([]byte, func(), error) {
	if err := os.Remove(file.Name()); err != nil {
		return nil, nil, err
	}
	text, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return text, func() { _ = syscall.Munmap(text) }, nil
}
