package badger

import (
	"encoding/binary"
	"hash/crc32"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// metaChecksum marks an entry whose value ends with a checksum. Entries of stores from before this
// was so have none, and neither have those of the value log, which Badger checks itself.
const metaChecksum = 0x01

// checksumSize is how many bytes a value has more.
const checksumSize = 4

// castagnoli is the polynomial that processors compute themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is of the key too: a value under a key that is damaged is not that of another key.
func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// entryOf is what is stored for a pair. Badger has a checksum for each block of a table, but looks at
// it only when whole blocks are read, which a Get need not do; and when one does not fit it takes the
// block for empty. So each value has one of ours.
func entryOf(key, value []byte) *badgerdb.Entry {
	if len(value) >= valueThreshold-checksumSize { // it goes to the value log
		return badgerdb.NewEntry(key, value)
	}
	sum := checksum(key, value)
	summed := make([]byte, len(value), len(value)+checksumSize)
	copy(summed, value)
	return badgerdb.NewEntry(key, binary.BigEndian.AppendUint32(summed, sum)).WithMeta(metaChecksum)
}

// checked takes the checksum off a value, or fails with engine.ErrDamaged.
func checked(item *badgerdb.Item, value []byte, lenient bool) ([]byte, error) {
	if item.UserMeta()&metaChecksum == 0 {
		return value, nil
	}
	n := len(value) - checksumSize
	if n < 0 || !lenient && binary.BigEndian.Uint32(value[n:]) != checksum(item.Key(), value[:n]) {
		return nil, engine.ErrDamaged
	}
	return value[:n:n], nil
}
