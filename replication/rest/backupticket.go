package rest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/auth"
)

const (
	// ticketName is the cookie in which a page's next request for a backup has its ticket: neither
	// the page nor a log, an address or the browser's history has it.
	ticketName = "sync-backup"
	// ticketLifetime is how long it may take from the page's request to the browser's.
	ticketLifetime = time.Minute
	// maxTickets is how many are waiting at once; the oldest go first.
	maxTickets = 16
)

// tickets are what administrators who came with a token were given for one backup each. They are
// in this process only, and gone with the configuration: a minute is soon over.
type tickets struct {
	mu      sync.Mutex
	waiting []ticket
}

type ticket struct {
	hash      [sha256.Size]byte
	principal *auth.Principal
	end       time.Time
}

func (t *tickets) issue(p *auth.Principal, now time.Time) (id string, err error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("making a ticket: %w", err)
	}
	id = base64.RawURLEncoding.EncodeToString(secret)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting[max(0, len(t.waiting)-maxTickets+1):], ticket{sha256.Sum256([]byte(id)), p, now.Add(ticketLifetime)})
	return id, nil
}

// use returns whose ticket it is, nil if there is none that is still good. It is good once.
func (t *tickets) use(id string, now time.Time) *auth.Principal {
	hash := sha256.Sum256([]byte(id))
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, one := range t.waiting {
		if one.hash != hash {
			continue
		}
		t.waiting = append(t.waiting[:i:i], t.waiting[i+1:]...)
		if now.Before(one.end) {
			return one.principal
		}
	}
	return nil
}

// ticketCookie goes to this one endpoint only, and never with what a page of another site began.
func (h *Handler) ticketCookie(r *http.Request, id string) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // G124: Secure is as the browser's request is, or it would drop the cookie
		Name: ticketName, Value: id, Path: h.PathPrefix + "/_backup", MaxAge: int(ticketLifetime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: auth.ClientOf(r.Context()).Secure,
	}
}
