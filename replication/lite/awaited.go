package lite

import "hash/maphash"

// maxAwaited bounds awaited. A client proposes what it has not pushed when it connects; most have a few such changes.
const maxAwaited = 10_000

// awaited are the documents of which a client, a device that was updated to version 4, proposed a revision of before
// that in vain: it waits for the revision that is here. They are hashes, as IDs may be long; one that is taken for
// another is only sent what its client has.
type awaited struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// await notes that the client waits for the revision of a document that is here.
func (ks *keyspace) await(id string) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	a := &ks.awaited
	if a.hashes == nil {
		a.seed, a.hashes = maphash.MakeSeed(), make(map[uint64]struct{})
	}
	if len(a.hashes) < maxAwaited {
		a.hashes[maphash.String(a.seed, id)] = struct{}{}
	}
}

// awaits reports whether the client waits for the revision of a document that is here.
func (ks *keyspace) awaits(id string) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.awaited.hashes == nil {
		return false
	}
	_, ok := ks.awaited.hashes[maphash.String(ks.awaited.seed, id)]
	return ok
}
