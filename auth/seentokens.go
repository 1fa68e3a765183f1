package auth

import (
	"sync"
	"time"
)

// seenAge is how long after its issue a token may be used first, or a logout token may
// come, for the token to be known then as one that was there.
const seenAge = time.Minute

// seenTokens remembers the tokens of the last minute by the second of their issue: only
// these can be of the same second as a not_before that comes after their use. Each takes
// about 100 bytes, and a signature that was checked: what a provider signs in a minute is
// the bound.
type seenTokens struct {
	mu      sync.Mutex
	seconds map[int64][]seenToken
}

type seenToken struct {
	identity identityKey
	sid      identityKey
	token    tokenKey
	expires  int64 // Unix seconds, rounded up
}

func (t *seenToken) end() time.Time { return time.Unix(t.expires, 0) }

// noteSeen remembers a token just verified, if not_before alone could miss it. Verified
// again, it is there twice, which does no harm.
func (s *State) noteSeen(v *verified, now time.Time) {
	if now.Sub(v.issued) > seenAge {
		return
	}
	second := v.issued.Unix()
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if s.seen.seconds == nil {
		s.seen.seconds = map[int64][]seenToken{}
	}
	list, ok := s.seen.seconds[second]
	if !ok { // a second is swept as a whole, by the first token of another
		for old := range s.seen.seconds {
			if now.Sub(time.Unix(old+1, 0)) > seenAge {
				delete(s.seen.seconds, old)
			}
		}
	}
	s.seen.seconds[second] = append(list, seenToken{
		identity: v.key, sid: v.applicant.sid, token: v.token, expires: v.expires.Add(time.Second - 1).Unix(),
	})
}

// of returns the tokens of an identity that not_before = now does not refuse.
func (s *seenTokens) of(identity identityKey, now time.Time) []seenToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []seenToken
	for second, list := range s.seconds {
		if second < now.Unix() {
			continue
		}
		for _, t := range list {
			if t.identity == identity {
				found = append(found, t)
			}
		}
	}
	return found
}

// loggedOut returns the tokens of an identity, or of a provider's session, that were
// issued in the second of a logout and are not refused by that alone.
func (s *seenTokens) loggedOut(key identityKey, at time.Time) []seenToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []seenToken
	for _, t := range s.seconds[at.Unix()] {
		if t.identity == key || t.sid == key {
			found = append(found, t)
		}
	}
	return found
}

// count is how many are remembered.
func (s *seenTokens) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, list := range s.seconds {
		n += len(list)
	}
	return n
}
