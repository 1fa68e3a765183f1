package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
)

// Badger 4.9.6 loses what it compacts if it cannot make the new table: the error of the goroutine
// that makes it is dropped (levels.go, subcompact: `defer inflightBuilders.Done(err)` takes err when
// it is nil), the old tables are taken out of the MANIFEST without the new one, and removed. A sync
// that fails or too many open files are enough. Nothing that an application can set prevents it, but
// the MANIFEST is synced before anything is removed, and a failure of that sync keeps the old tables.

// badgerSync syncs Badger's MANIFEST after each change of it (manifest.go). It is a variable of
// Badger's for its tests. Should a later Badger not have it, the build fails, and this has to be
// looked at again.
//
//go:linkname badgerSync github.com/dgraph-io/badger/v4.syncFunc
var badgerSync func(*os.File) error

// guards are those of the stores that are open, by directory: there is one badgerSync for all.
var guards sync.Map

func init() { //nolint:gochecknoinits // a registration
	badgerSync = syncManifest
}

// compactionLine begins the line by which Badger says how many entries it put into a table that it is
// going to make, and compactionEnd the one that says that a compaction is over, in the goroutine that
// changed the MANIFEST.
const (
	compactionLine = "[%d] LOG Compact. Added %d keys."
	compactionEnd  = "[Compactor: %d] Compaction for level:"
)

var errTablesMissing = errors.New("a compaction lists fewer tables than it made")

// manifestGuard compares what compactions say that they make with what they list.
type manifestGuard struct {
	mu   sync.Mutex
	made map[int]tablesMade // by compactor, of the compaction under way
	// compactors are the goroutines that have ended a compaction, which say only then which they are.
	compactors map[string]int
	// failed is called when a change was taken out of the MANIFEST again, which Badger does not know.
	failed func()
}

// tablesMade are how many tables there are, and how many entries they have.
type tablesMade struct {
	tables  int
	entries uint64
}

func newManifestGuard(failed func()) *manifestGuard {
	return &manifestGuard{made: make(map[int]tablesMade), compactors: make(map[string]int), failed: failed}
}

// logged looks at a line of Badger's log.
func (g *manifestGuard) logged(format string, args []any) {
	making := strings.HasPrefix(format, compactionLine)
	if !making && !strings.HasPrefix(format, compactFailure) && !strings.HasPrefix(format, compactionEnd) || len(args) < 2 {
		return
	}
	compactor, ok := args[0].(int)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !making {
		delete(g.made, compactor) // it begins anew
		g.compactors[goroutine()] = compactor
		return
	}
	if entries, ok := args[1].(uint64); ok && entries > 0 { // one without any is not made
		made := g.made[compactor]
		g.made[compactor] = tablesMade{made.tables + 1, made.entries + entries}
	}
}

// syncManifest takes the place of Badger's own. Badger holds the MANIFEST's lock meanwhile.
func syncManifest(file *os.File) error {
	found, ok := guards.Load(filepath.Dir(file.Name()))
	if !ok {
		return file.Sync() //nolint:wrapcheck // as Badger's own
	}
	guard, _ := found.(*manifestGuard)
	text, err := readOpen(file)
	if err != nil {
		return guard.undo(file, 0, err)
	}
	at, changes := lastChanges(text)
	if err := guard.complete(filepath.Dir(file.Name()), changes); err != nil {
		return guard.undo(file, at, err)
	}
	if err := file.Sync(); err != nil {
		return guard.undo(file, at, err)
	}
	return nil
}

// readOpen reads a file that is open, however many others there may be.
func readOpen(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the MANIFEST: %w", err)
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("reading the MANIFEST: %w", err)
	}
	return text, nil
}

// lastChanges returns the last set of changes, and where in the MANIFEST it begins.
func lastChanges(text []byte) (at int, last []*pb.ManifestChange) {
	for next := manifestHead; next < len(text); {
		record, changes := cutChanges(text[next:])
		if record == nil {
			break
		}
		at, last = next, changes
		next += len(record)
	}
	return at, last
}

// complete fails if a set of changes is a compaction's that lists not all that was made for it: by the
// compactor whose goroutine this is, or, as long as that is not known, by any.
func (g *manifestGuard) complete(dir string, changes []*pb.ManifestChange) error {
	listed, encrypted, replaces := tablesMade{}, false, false
	for _, change := range changes {
		if change.GetOp() == pb.ManifestChange_DELETE {
			replaces = true
			continue
		}
		listed.tables++
		encrypted = encrypted || change.GetKeyId() != 0
	}
	if !replaces {
		return nil // a memtable's, or the whole list
	}
	if !encrypted { // what is encrypted is counted by tables
		for _, change := range changes {
			if change.GetOp() == pb.ManifestChange_CREATE {
				n, err := entriesOf(table.NewFilename(change.GetId(), dir), change.GetId())
				if err != nil {
					return err
				}
				listed.entries += n
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	matches := func(made tablesMade) bool {
		return made.tables == listed.tables && (encrypted || made.entries == listed.entries)
	}
	compactor, known := g.compactors[goroutine()]
	if known && matches(g.made[compactor]) || !known && listed.tables == 0 && len(g.made) == 0 {
		return nil
	}
	if !known {
		for _, made := range g.made {
			if matches(made) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %d with %d entries, of %v", errTablesMissing, listed.tables, listed.entries, g.made)
}

// goroutine names the one that calls it, as the runtime does in a stack: "goroutine 7".
func goroutine() string {
	var b [64]byte
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b[:], false)]), " [")
	return name
}

// undo takes a set of changes out of the MANIFEST: what Badger does after an error is to go on with
// what it had, though it would leave the list as it is.
func (g *manifestGuard) undo(file *os.File, at int, cause error) error {
	if at > 0 {
		_, err := file.Seek(int64(at), 0)
		cause = errors.Join(cause, file.Truncate(int64(at)), err)
	}
	g.failed()
	return cause
}
