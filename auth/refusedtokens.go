package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// refusedTokens are the tokens that are refused by themselves until they expire
// (DECISIONS 4): those that an ended session was made from, and those that not_before
// misses because they are of the same second.
//
// Each is the first 8 bytes of its key and takes about 25 bytes of memory, so that a
// provider may end a million sessions. Of a million, two share them with a chance of 1 in
// 10^7; that they fit somebody else's token cannot be made to happen, since providers sign
// what is hashed.
type refusedTokens struct {
	mu    sync.RWMutex
	until map[uint64]uint32 // Unix seconds
	swept time.Time
}

func shortKey(t tokenKey) uint64 { return binary.BigEndian.Uint64(t[:]) }

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

// errTokenRefused: the token was revoked while it was used.
var errTokenRefused = errors.New("token refused")

// refusesToken reports whether a token, or none, is refused by itself.
func refusesToken(r syncstore.RecordReader, token []byte) (bool, error) {
	if len(token) == 0 {
		return false, nil
	}
	_, err := r.Get(0, append([]byte(refusedPrefix), token...))
	if errors.Is(err, syncstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
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
		r.until = map[uint64]uint32{}
	}
	if now.Sub(r.swept) > time.Minute {
		r.swept = now
		for t, end := range r.until {
			if now.Unix() >= int64(end) {
				delete(r.until, t)
			}
		}
	}
	end := uint32(min(max(until.Unix(), 0), math.MaxUint32))
	r.until[shortKey(token)] = max(end, r.until[shortKey(token)])
}

func (r *refusedTokens) has(token tokenKey) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.until[shortKey(token)]
	return ok
}
