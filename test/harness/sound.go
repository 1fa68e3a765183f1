package harness

import (
	"fmt"
	"strings"
)

// CheckLog fails with ErrUnsound if the server's log shows what no input may cause: a
// panic, or a data race (Options.Race).
func (s *Server) CheckLog() error {
	for line := range strings.Lines(s.Log()) {
		for _, sign := range []string{"DATA RACE", "panic serving", "panic:", `"logger":"http.log.error","msg":"panic`} {
			if strings.Contains(line, sign) {
				return fmt.Errorf("%w: %s", ErrUnsound, strings.TrimSpace(line))
			}
		}
	}

	return nil
}
