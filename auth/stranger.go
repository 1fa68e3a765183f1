package auth

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// Why no provider takes a token.
const (
	unknownIssuer = "unknown issuer"
	wrongAudience = "wrong audience"
	otherClient   = "token was issued to another client"
)

// warningInterval is how often a token of nobody's is worth a line in the log: anybody can
// send one.
const warningInterval = time.Minute

// warnings bounds how often something is warned of.
type warnings struct {
	mu   sync.Mutex
	last time.Time
}

func (w *warnings) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !w.last.IsZero() && now.Sub(w.last) < warningInterval {
		return false
	}
	w.last = now
	return true
}

// warnStranger says what a token says of where it comes from, and what is configured: the two
// differ by a slash or a port more often than by malice, and the client is not told. Nothing
// of the token is written but these claims.
func (s *Service) warnStranger(t *token, reason string) {
	if !s.strangers.due() {
		return
	}
	fields := []zap.Field{zap.String("reason", reason), zap.String("issuer", auditText(t.issuer))}
	var issuers, audience, clients []string
	for _, p := range s.providers {
		issuers = append(issuers, p.Issuer)
		clients = append(clients, p.ClientIDs...)
	}
	if reason == unknownIssuer {
		fields = append(fields, zap.Strings("configured", issuers))
	} else {
		for _, a := range t.audience[:min(len(t.audience), 8)] {
			audience = append(audience, auditText(a))
		}
		fields = append(fields, zap.Strings("audience", audience), zap.Strings("configured", clients))
	}
	s.logger.Warn("a token of no configured provider was refused", fields...)
}
