package syncstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func (c *checker) reference(k checkedKey) {
	if len(k.rest) <= sha256.Size {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a reference under a key that is none"})
		return
	}
	sum, id := [sha256.Size]byte(k.rest), string(k.rest[sha256.Size:])
	if ok, err := c.has(k.scope.whole().content(sum)); err == nil && !ok {
		c.damage(k, id, "the content of an attachment, "+hex.EncodeToString(sum[:])+", is missing")
	}
}

// content checks an attachment's content against its SHA-256.
func (c *checker) content(k checkedKey, value []byte) {
	stored, err := decodeContent(value)
	if err == nil && !bytes.Equal(stored.content.SHA256[:], k.rest) {
		err = fmt.Errorf("%w: content under the name of another", ErrDamaged)
	}
	if err == nil {
		err = c.hash(k.scope, stored)
	}
	if err == nil {
		k.db.Contents++
		k.db.ContentBytes += uint64(stored.content.Length)
		return
	}
	c.contentDamage(k, err)
}

func (c *checker) hash(s scope, stored *storedContent) error {
	sum := sha256.New()
	left := stored.content.Length
	for n := uint32(0); left > 0; n++ {
		chunk, err := c.r.Get(s.whole().chunk(stored.blob, n))
		if err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		_, _ = sum.Write(chunk) // never fails
		left -= int64(len(chunk))
		if len(chunk) == 0 {
			break
		}
	}
	if left != 0 || !bytes.Equal(sum.Sum(nil), stored.content.SHA256[:]) {
		return errors.New("it is not what was stored")
	}
	return nil
}

// contentDamage finds content that is damaged, for each document that names it.
func (c *checker) contentDamage(k checkedKey, err error) {
	what := fmt.Sprintf("the content of an attachment, %x, is damaged: %v", k.rest, err)
	named := false
	for number, name := range k.db.collections {
		in := checkedKey{kind: kindReference, db: k.db, scope: scope{db: k.scope.db, collection: number}, collection: name}
		prefix := append(in.scope.prefix(kindReference, len(k.rest)), k.rest...)
		pairs, _ := c.r.Scan(engine.Range{Start: prefix, End: engine.PrefixEnd(prefix), KeysOnly: true})
		for key := range pairs {
			named = true
			c.damage(in, string(key[len(prefix):]), what)
		}
	}
	if !named {
		c.find(Finding{Database: k.db.Name, What: what + "; no document names it"})
	}
}
