package badger

import (
	"fmt"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"go.uber.org/zap"
)

const (
	// DefaultMemory is the memory budget if none is given, in bytes.
	DefaultMemory = 128 << 20
	// MinMemory is the smallest memory budget, in bytes.
	MinMemory = 64 << 20
	// DefaultMinFree is the free-space limit if none is given, in bytes.
	DefaultMinFree = 512 << 20
	// DefaultGCInterval is the time between collections of the value log.
	DefaultGCInterval = 10 * time.Minute

	// MaxTxnSize is how many bytes of keys, and of values that do not go to the value
	// log, every transaction may write, however small the memory.
	MaxTxnSize = 4 << 20
	// MaxTxnKeys is how many keys every transaction may write.
	MaxTxnKeys = 8000

	// valueThreshold is the size from which values go to the value log: documents stay
	// in the tables, chunks of attachments do not pass through compactions (DECISIONS 37).
	valueThreshold = 64 << 10
	// valueLogFileSize keeps a new store small for tools that expand holes in files, and
	// holds the largest value.
	valueLogFileSize = 128 << 20
	// blockSize is how many bytes of a table are read together.
	blockSize = 16 << 10
	// tableSize is that of a table, in bytes: Badger takes twice as much at once to build one, which
	// is enough for what is in a memtable of minMemTable.
	tableSize = 14 << 20
	// minMemTable admits transactions of MaxTxnSize: Badger's limit is 15 % of it. Not
	// more, because what Badger takes to write one out is doubled until it fits.
	minMemTable = 27 << 20
)

// Options say how a store is opened. The zero value is ready to use.
type Options struct {
	// Memory is the budget from which the sizes are derived, in bytes, not counting the
	// pages of its files that the system keeps. 0 means DefaultMemory; less than
	// MinMemory is an error. Below 864 MiB memtables have the size that MaxTxnSize
	// needs. What Badger takes while it is loaded at full speed is bounded only by the
	// process's memory limit (debug.SetMemoryLimit): with Memory + 64 MiB as the limit,
	// 168 MiB were seen at 64 MiB and 323 MiB at 256 MiB.
	Memory int64
	// MinFree is how many bytes must be left on the disk for an update to be accepted.
	// 0 means DefaultMinFree.
	MinFree int64
	// NoSync acknowledges updates before they are on stable storage: what was
	// acknowledged survives the end of the process, not that of the machine.
	NoSync bool
	// EncryptionKey of 16, 24 or 32 bytes encrypts the store with AES. A store is
	// encrypted from its beginning or never; without its key it is lost.
	EncryptionKey []byte
	// GCInterval is the time between collections of the value log. 0 means
	// DefaultGCInterval, a negative one none.
	GCInterval time.Duration
	// Verify compares the checksums of all tables before anything is read, which a small store has
	// done anyway.
	Verify bool
	// Lenient opens a damaged store, as far as Badger does, and gives what is there whether or not it
	// is what was written: for those who save what can be saved. Badger may end the process.
	Lenient bool
	// Logger gets what the store has to say. nil means nobody.
	Logger *zap.Logger
}

// withDefaults checks the options and fills in what was left out.
func (o Options) withDefaults() (Options, error) {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.GCInterval == 0 {
		o.GCInterval = DefaultGCInterval
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Memory < MinMemory {
		return o, fmt.Errorf("memory of %d bytes is less than the least of %d", o.Memory, MinMemory)
	}
	if o.MinFree < 0 {
		return o, fmt.Errorf("negative free-space limit %d", o.MinFree)
	}
	switch len(o.EncryptionKey) {
	case 0, 16, 24, 32:
	default:
		return o, fmt.Errorf("encryption key of %d bytes, must have 16, 24 or 32", len(o.EncryptionKey))
	}
	return o, nil
}

// badgerOptions divides the memory. Tables are not compressed: their blocks and indices
// are then read where they are mapped, which takes no memory of ours and no cache, and
// halves the time of a Get; JSON takes more disk for it. An encrypted store cannot do
// so and gets caches instead. Blocks of 16 KiB waste less when tables are built, and
// cost a Get nothing, since nothing reads a block as a whole.
//
// Tables have the same size at every level. Badger takes 3 MiB to build the index of a table of any
// size: with its own 2 MiB for a table that was a third of all garbage under writes. Tables that grow
// from level to level take ever more memory to build, twice their size each.
func (o Options) badgerOptions(path string, log badgerdb.Logger) badgerdb.Options {
	b := badgerdb.DefaultOptions(path).
		WithLogger(log).
		WithMetricsEnabled(false).
		WithDetectConflicts(false). // updates are serialised
		WithSyncWrites(!o.NoSync).
		WithValueThreshold(valueThreshold).
		WithVerifyValueChecksum(!o.Lenient).
		WithValueLogFileSize(valueLogFileSize).
		WithMemTableSize(max(o.Memory/32, minMemTable)).
		WithBaseTableSize(tableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithBlockSize(blockSize).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0)
	b.TableSizeMultiplier = 1
	if o.Verify {
		b = b.WithChecksumVerificationMode(options.OnTableRead)
	}
	if len(o.EncryptionKey) > 0 {
		b = b.WithEncryptionKey(o.EncryptionKey).
			WithBlockCacheSize(o.Memory / 8).
			WithIndexCacheSize(o.Memory / 16)
	}
	return b
}
