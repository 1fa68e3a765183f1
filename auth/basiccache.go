package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// basicCacheSize is how many verified pairs are kept; each takes about 150 bytes.
const basicCacheSize = 1 << 14

// basicCache remembers names and passwords that were verified, as clients send Basic with
// every request and a check is slow on purpose. It keeps neither names nor passwords: only
// an HMAC under a key that is of this process alone (DECISIONS 6). Whether the user is
// enabled and the database takes passwords is for the caller to look at each time.
type basicCache struct {
	secret  [sha256.Size]byte
	entries *lru[[sha256.Size]byte, int64]
}

func newBasicCache() *basicCache {
	c := &basicCache{entries: newLRU[[sha256.Size]byte, int64](basicCacheSize)}
	_, _ = rand.Read(c.secret[:]) // never fails
	return c
}

// has reports whether the pair was verified, against the password that the user has had
// since passwordAt: a change makes the entry worthless.
func (c *basicCache) has(db uint32, name, password string, passwordAt int64) bool {
	at, ok := c.entries.get(c.key(db, name, password))
	return ok && at == passwordAt
}

// put remembers a pair. passwordAt is that of the user as read before the password was
// verified, so that a change in between is not missed.
func (c *basicCache) put(db uint32, name, password string, passwordAt int64) {
	c.entries.put(c.key(db, name, password), passwordAt)
}

func (c *basicCache) key(db uint32, name, password string) (sum [sha256.Size]byte) {
	// The length keeps "al","ice" and "alice","" apart.
	b := make([]byte, 0, 8+len(name)+len(password))
	b = binary.BigEndian.AppendUint32(b, db)
	b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
	b = append(append(b, name...), password...)
	mac := hmac.New(sha256.New, c.secret[:])
	mac.Write(b)
	mac.Sum(sum[:0])
	return sum
}
