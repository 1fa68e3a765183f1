package harness

import (
	"os"
	"path/filepath"
)

func (s *Server) logPath() string { return filepath.Join(s.Dir, "caddy.log") }

// Log is everything the server has written since the first start.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return ""
	}

	return string(text)
}

// LogTail is the end of the log, at most n bytes.
func (s *Server) LogTail(n int) string {
	text := s.Log()
	if len(text) > n {
		return "…" + text[len(text)-n:]
	}

	return text
}
