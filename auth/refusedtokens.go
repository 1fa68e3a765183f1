package auth

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// refusedTokens are the tokens that are refused by themselves until they expire
// (DECISIONS 4): those that an ended session was made from, and those that not_before
// misses because they are of the same second.
type refusedTokens struct {
	mu    sync.RWMutex
	until map[tokenKey]time.Time
	swept time.Time
}

const refusedPrefix = "auth/refused-token/"

// refuseToken refuses a token until it expires.
func (tx *transaction) refuseToken(identity identityKey, token tokenKey, expires time.Time) {
	if !time.Now().Before(expires) {
		return
	}
	expires = expires.Add(time.Second) // whole seconds, rounded up
	key := append([]byte(refusedPrefix), token[:]...)
	tx.Put(0, key, binary.BigEndian.AppendUint64(nil, uint64(expires.Unix())), expires)
	tx.events = append(tx.events, event{Kind: eventToken, Identity: identity[:], Token: token[:], Until: expires.Unix()})
}

func (s *State) loadRefused(ctx context.Context) error {
	return s.records.View(ctx, func(r syncstore.RecordReader) error {
		return r.Scan(0, []byte(refusedPrefix), func(key, value []byte) error {
			var token tokenKey
			if len(key) != len(refusedPrefix)+len(token) || len(value) != 8 {
				return fmt.Errorf("%w: refused token", syncstore.ErrDamaged)
			}
			copy(token[:], key[len(refusedPrefix):])
			s.refused.add(token, time.Unix(int64(binary.BigEndian.Uint64(value)), 0))
			return nil
		})
	})
}

func (r *refusedTokens) add(token tokenKey, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.until == nil {
		r.until = map[tokenKey]time.Time{}
	}
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		for t, end := range r.until {
			if !now.Before(end) {
				delete(r.until, t)
			}
		}
	}
	r.until[token] = until
}

func (r *refusedTokens) has(token tokenKey) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.until[token]
	return ok
}

// seenAge is how long after its issue a token may be used first, or a logout token may
// come, for the token to be known then as one that was there.
const seenAge = time.Minute

// seenTokens remembers the tokens of the last minute: only these can be of the same second
// as a not_before that comes after their use.
type seenTokens struct {
	mu     sync.Mutex
	tokens map[tokenKey]seenToken
	swept  time.Time
}

type seenToken struct {
	identity identityKey
	sid      identityKey
	token    tokenKey
	issued   time.Time
	expires  time.Time
}

// noteSeen remembers a token just verified, if not_before alone could miss it.
func (s *State) noteSeen(v *verified, now time.Time) {
	if now.Sub(v.issued) > seenAge {
		return
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if s.seen.tokens == nil {
		s.seen.tokens = map[tokenKey]seenToken{}
	}
	if now.Sub(s.seen.swept) > time.Second {
		s.seen.swept = now
		for key, t := range s.seen.tokens {
			if now.Sub(t.issued) > seenAge {
				delete(s.seen.tokens, key)
			}
		}
	}
	s.seen.tokens[v.token] = seenToken{identity: v.key, sid: v.applicant.sid, token: v.token, issued: v.issued, expires: v.expires}
}

// of returns the tokens of an identity that not_before = now does not refuse.
func (s *seenTokens) of(identity identityKey, now time.Time) []seenToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []seenToken
	for _, t := range s.tokens {
		if t.identity == identity && t.issued.Unix() >= now.Unix() {
			list = append(list, t)
		}
	}
	return list
}

// loggedOut returns the tokens of an identity, or of a provider's session, that were
// issued in the second of a logout and are not refused by that alone.
func (s *seenTokens) loggedOut(key identityKey, at time.Time) []seenToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []seenToken
	for _, t := range s.tokens {
		if (t.identity == key || t.sid == key) && t.issued.Unix() == at.Unix() {
			list = append(list, t)
		}
	}
	return list
}
