package badger

import (
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// removeLeftovers removes the empty log files of a process that was killed between
// making one and giving it its size. They hold nothing, and Badger 4.9.6 fails to open a
// directory that has one ("Create a new file").
func (e *Engine) removeLeftovers() error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(globEscape(e.path), pattern))
		if err != nil {
			return fmt.Errorf("looking for empty log files: %w", err)
		}
		for _, file := range files {
			if err := e.removeEmpty(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// alone does something under the directory's lock, as Badger takes it. It returns ErrInUse, and does nothing, where
// another process has the store open, or a child of this one that was forked while this one had it, for a moment.
func (e *Engine) alone(do func() error) error {
	unlock, err := lockStore(e.path)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	return do()
}

func (e *Engine) removeEmpty(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("looking at a log file: %w", err)
	}
	if info.Size() > 0 {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("removing an empty log file: %w", err)
	}
	e.log.Info("removed an empty log file that a killed process left", zap.String("file", filepath.Base(file)))
	return nil
}

// globEscape escapes what Glob would take for a pattern in a path.
func globEscape(path string) string {
	escaped := make([]byte, 0, len(path))
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, path[i])
	}
	return string(escaped)
}
