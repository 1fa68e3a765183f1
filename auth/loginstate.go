package auth

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// loginLife is how long a sign-in by browser may take.
	loginLife = 10 * time.Minute
	// loginCookie is how the names of login cookies begin. Over TLS hostPrefix stands
	// before it: browsers then accept the cookie only from this very host, over TLS, so
	// that no neighbour's host can put one there (cookie tossing).
	loginCookie, hostPrefix = "sync-login-", "__Host-"
	// maxLogins is how many sign-ins a browser may have begun at once. The cookies of
	// older ones are deleted, or requests would grow too large for servers to take.
	maxLogins = 8
	// maxLoginCookie is the longest value of a login cookie, in bytes: browsers keep
	// 4096 of name, value and attributes.
	maxLoginCookie = 3800
	// stateLength is the length of a state: 256 random bits as base64url.
	stateLength = 43
)

// codeLogin is a sign-in by browser that was begun. The browser carries it, sealed, in a
// cookie of its own; the server keeps nothing of it.
type codeLogin struct {
	Provider string `json:"p"`
	Issuer   string `json:"i"`
	Database string `json:"d"`
	ID       uint32 `json:"n"` // of the database
	Callback string `json:"c"` // redirect_uri
	Nonce    string `json:"o"`
	Verifier string `json:"v"` // PKCE
	ReturnTo string `json:"r,omitempty"`
	Begun    int64  `json:"t"` // Unix seconds
}

// codeLogins seals login cookies and remembers the states that were used.
type codeLogins struct {
	used    onceMemory
	jwtIDs  onceMemory         // jti of logout tokens that were obeyed
	logouts singleflight.Group // by what jwtIDs remembers
	mu      sync.Mutex
	sealing cipher.AEAD
}

var (
	errNoLogin      = errors.New("no login cookie")
	errOtherLogin   = errors.New("login cookies, but none of this state")
	errSpoiltLogin  = errors.New("login cookie does not open")
	errExpiredLogin = errors.New("login took too long")
)

// codeKeyRecord holds the key that login cookies are sealed with. It is made once: a
// sign-in survives a restart, and any node can finish what another began.
const codeKeyRecord = "auth/login-key"

type codeKey struct {
	Key []byte `json:"key"`
}

// loginSeal returns the AEAD for login cookies.
func (s *State) loginSeal(ctx context.Context) (cipher.AEAD, error) {
	s.codeLogins.mu.Lock()
	defer s.codeLogins.mu.Unlock()
	if s.codeLogins.sealing != nil {
		return s.codeLogins.sealing, nil
	}
	var stored codeKey
	err := s.update(ctx, func(tx *transaction) error {
		stored = codeKey{}
		found, err := readJSON(tx, 0, []byte(codeKeyRecord), &stored)
		if err != nil || found && len(stored.Key) == 32 {
			return err
		}
		stored.Key = make([]byte, 32)
		_, _ = rand.Read(stored.Key) // never fails
		return tx.putJSON(0, []byte(codeKeyRecord), stored, time.Time{})
	})
	if err != nil {
		return nil, fmt.Errorf("the key of login cookies: %w", err)
	}
	block, err := aes.NewCipher(stored.Key)
	if err == nil {
		s.codeLogins.sealing, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of login cookies: %w", err)
	}
	return s.codeLogins.sealing, nil
}

// newState makes a state.
func newState() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// loginName is the name of the cookie that belongs to a state.
func loginName(r *http.Request, state string) string {
	sum := sha256.Sum256([]byte(state))
	return loginNamePrefix(r) + hex.EncodeToString(sum[:16])
}

func loginNamePrefix(r *http.Request) string {
	if ClientOf(r.Context()).Secure {
		return hostPrefix + loginCookie
	}
	return loginCookie
}

// seal returns the cookie's value. The state is bound in: a login opens with its own
// state only.
func (l *codeLogin) seal(aead cipher.AEAD, state string) (string, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // & would take six bytes
	if err := enc.Encode(l); err != nil {
		return "", fmt.Errorf("encoding a login: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, text.Bytes(), []byte(state))) //nolint:gosec // G407: this AEAD makes a random nonce by itself
	if len(value) > maxLoginCookie {
		return "", errReturnTo
	}
	return value, nil
}

// openLogin opens a login cookie's value.
func openLogin(aead cipher.AEAD, state, value string, now time.Time) (*codeLogin, error) {
	if len(state) != stateLength || len(value) > maxLoginCookie {
		return nil, errSpoiltLogin
	}
	sealed, err := decodePart(value)
	if err != nil {
		return nil, errSpoiltLogin
	}
	text, err := aead.Open(nil, nil, sealed, []byte(state))
	if err != nil {
		return nil, errSpoiltLogin
	}
	l := new(codeLogin)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, errSpoiltLogin
	}
	if age := now.Sub(time.Unix(l.Begun, 0)); age < -loginLife || age >= loginLife {
		return nil, errExpiredLogin
	}
	return l, nil
}

// findLogin finds the login of a state among a request's cookies. Several cookies may
// have the name, of different paths or domains; all are tried.
func findLogin(aead cipher.AEAD, r *http.Request, state string, now time.Time) (*codeLogin, error) {
	result := errNoLogin
	if len(loginCookies(r)) > 0 {
		result = errOtherLogin
	}
	if len(state) != stateLength {
		return nil, result
	}
	for _, sent := range readSessionCookies(r.Header, loginName(r, state)) {
		var l *codeLogin
		if l, result = openLogin(aead, state, sent.value, now); result == nil {
			return l, nil
		}
	}
	return nil, result
}

// loginCookies are the names of a request's login cookies.
func loginCookies(r *http.Request) []string {
	var names []string
	prefix := loginNamePrefix(r)
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, _, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if rest, ours := strings.CutPrefix(name, prefix); ok && ours && len(rest) == 32 && isCookieName(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// newLoginCookie is a login's cookie; a lifetime of zero deletes it. The answer of a
// provider with form_post is a POST from another site, with which browsers send only
// cookies that say SameSite=None (DECISIONS 21).
func newLoginCookie(r *http.Request, name, value string, formPost bool, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: ClientOf(r.Context()).Secure, MaxAge: int(life / time.Second),
	}
	if formPost {
		c.SameSite, c.Secure = http.SameSiteNoneMode, true
	}
	if life <= 0 {
		c.MaxAge = -1
	}
	return c
}
