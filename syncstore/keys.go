package syncstore

import "encoding/binary"

// A key is a kind, then the database and the collection it belongs to, then what the
// kind says (DECISIONS 29). Integers are big-endian, so that bytewise order is
// numeric order. The values of the kinds are part of the store's format.
const (
	kindFormat    = 0x00 // the format version; the first key of a store
	kindStore     = 0x01 // name → a counter of the store
	kindDatabase  = 0x02 // database → its name and state
	kindCounters  = 0x10 // → sequence, document counts, clock
	kindHead      = 0x11 // document ID → head
	kindTree      = 0x12 // document ID → ancestry
	kindBody      = 0x13 // document ID, revision → leaf and body
	kindSeq       = 0x14 // sequence → row of the feed
	kindChannel   = 0x15 // channel, sequence → row of the feed, removed flag
	kindGrant     = 0x16 // principal, collection, channel, source → from
	kindLostGrant = 0x17 // principal, collection, channel, source, to → from, time
	kindContent   = 0x18 // SHA-256 → digests, length, blob
	kindChunk     = 0x19 // blob, number → bytes
	kindReference = 0x1a // SHA-256, document ID → nothing
	kindLocal     = 0x1b // owner, local ID → revision and body
	kindRecord    = 0x1c // record of a package above
	kindDue       = 0x1d // time, key → nothing: what has to be done to key at that time
	kindAuthLog   = 0x1e // number → event
	kindAccess    = 0x1f // principal → sequence of the last change of what it has
	kindNames     = 0x20 // → names and numbers of collections
	kindResync    = 0x21 // → state of a collection's resync
	kindPurges    = 0x22 // → how often something of a collection was purged
	kindIndex     = 0x30 // index, what of it → see index.go
)

// databaseKinds are the kinds that go when a database is deleted.
var databaseKinds = []byte{
	kindHead, kindTree, kindBody, kindSeq, kindChannel, kindGrant, kindLostGrant, kindContent,
	kindChunk, kindReference, kindLocal, kindRecord, kindDue, kindAccess, kindNames, kindResync, kindPurges, kindIndex,
	kindCounters,
}

// Counters of the store, by name.
const (
	counterDatabase = "database" // the last database ID given out
	counterAuthLog  = "authlog"  // the last number of the auth log
)

const prefixSize = 1 + 4 + 4

// scope is the database and collection that keys belong to.
type scope struct {
	db, collection uint32
}

func (s scope) prefix(kind byte, room int) []byte {
	key := make([]byte, 0, prefixSize+room)
	key = append(key, kind)
	key = binary.BigEndian.AppendUint32(key, s.db)
	return binary.BigEndian.AppendUint32(key, s.collection)
}

// text is a key of one text that nothing follows.
func (s scope) text(kind byte, text string) []byte {
	return append(s.prefix(kind, len(text)), text...)
}

func (s scope) head(id string) []byte { return s.text(kindHead, id) }
func (s scope) tree(id string) []byte { return s.text(kindTree, id) }

func (s scope) body(id string, rev Rev) []byte {
	digest := packDigest(rev.Digest)
	key := appendTerminated(s.prefix(kindBody, len(id)+2+8+len(digest)), id)
	key = binary.BigEndian.AppendUint64(key, rev.Gen)
	return append(key, digest...)
}

// bodies is the prefix of all body keys of a document.
func (s scope) bodies(id string) []byte {
	return appendTerminated(s.prefix(kindBody, len(id)+2), id)
}

func (s scope) seq(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(s.prefix(kindSeq, 8), seq)
}

func (s scope) channel(name string, seq uint64) []byte {
	key := appendTerminated(s.prefix(kindChannel, len(name)+2+8), name)
	return binary.BigEndian.AppendUint64(key, seq)
}

func (s scope) content(sha256 [32]byte) []byte {
	return append(s.prefix(kindContent, 32), sha256[:]...)
}

func (s scope) chunk(blob blobID, n uint32) []byte {
	return binary.BigEndian.AppendUint32(s.blob(blob), n)
}

// blob is the prefix of a blob's chunks.
func (s scope) blob(blob blobID) []byte {
	return append(s.prefix(kindChunk, 20), blob[:]...)
}

func (s scope) reference(sha256 [32]byte, id string) []byte {
	return append(append(s.prefix(kindReference, 32+len(id)), sha256[:]...), id...)
}

func (s scope) local(owner, id string) []byte {
	return append(appendTerminated(s.prefix(kindLocal, len(owner)+2+len(id)), owner), id...)
}

func (s scope) purges() []byte { return s.prefix(kindPurges, 0) }

func (s scope) record(key []byte) []byte {
	return append(s.prefix(kindRecord, len(key)), key...)
}

// due is the key that says that something has to be done to target at a time, in
// seconds since 1970. What is due in a database is in one place, whatever the collection.
func (s scope) due(at int64, target []byte) []byte {
	key := binary.BigEndian.AppendUint64(s.whole().prefix(kindDue, 8+len(target)), uint64(max(at, 0)))
	return append(key, target...)
}

func (s scope) counters() []byte { return s.prefix(kindCounters, 0) }

func formatKey() []byte { return []byte{kindFormat} }

func storeKey(name string) []byte { return append([]byte{kindStore}, name...) }

func databaseKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kindDatabase}, id)
}

func authLogKey(n uint64) []byte {
	return binary.BigEndian.AppendUint64(scope{}.prefix(kindAuthLog, 8), n)
}

// appendTerminated appends text so that more can follow and order stays that of the
// texts: a zero byte is written as 00 ff, the end as 00 01.
func appendTerminated(key []byte, text string) []byte {
	for i := range len(text) {
		key = append(key, text[i])
		if text[i] == 0 {
			key = append(key, 0xff)
		}
	}
	return append(key, 0, 1)
}

// cutTerminated reads what appendTerminated wrote.
func cutTerminated(key []byte) (text string, rest []byte, ok bool) {
	var out []byte
	for i := 0; i+1 < len(key); i++ {
		if key[i] != 0 {
			out = append(out, key[i])
			continue
		}
		switch key[i+1] {
		case 1:
			return string(out), key[i+2:], true
		case 0xff:
			out = append(out, 0)
			i++
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}
