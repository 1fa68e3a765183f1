package rest

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// spool writes what has been read and what is left of source into a file and maps it
// into memory: large bodies then cost page cache, which the system can take back. The
// file has no name any more when spool returns, where the system allows that.
func spool(dir string, read []byte, source io.Reader) (text []byte, free func(), err error) {
	file, err := os.CreateTemp(dir, "caddy-sync-*.body")
	if err != nil {
		return nil, nil, fmt.Errorf("making a spool file: %w", err)
	}
	discard := func() { discardSpool(file) }
	defer func() {
		if err != nil {
			discard()
		}
	}()
	if _, err := file.Write(read); err != nil {
		return nil, nil, fmt.Errorf("spooling the body: %w", err)
	}
	n, err := io.CopyBuffer(onlyWriter{file}, source, make([]byte, 128<<10))
	if err != nil {
		return nil, nil, fmt.Errorf("spooling the body: %w", err)
	}
	text, unmap, err := mapFile(file, int64(len(read))+n)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping the spool file: %w", err)
	}
	return text, func() { unmap(); discard() }, nil
}

// onlyWriter hides ReadFrom, which would not use the buffer that is given.
type onlyWriter struct{ io.Writer }

func discardSpool(file *os.File) {
	// Where the name could be removed at once, it is gone already.
	errClose := file.Close()
	errRemove := os.Remove(file.Name())
	_ = errors.Join(errClose, errRemove) // nothing depends on it
}
