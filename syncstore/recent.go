package syncstore

// recent remembers which keys the last commits wrote, so that the committer can tell
// whether a change set is fresh without reading (DECISIONS 31). It belongs to the
// committer's goroutine.
type recent struct {
	written map[string]uint64 // key → number of the last commit that wrote it
	commits []recentCommit
	keys    int
	limit   int
	// floor is the newest commit whose keys are forgotten: nothing can be said about
	// change sets that were prepared before it.
	floor uint64
}

type recentCommit struct {
	number uint64
	keys   []string
}

func newRecent(limit int) *recent {
	return &recent{written: make(map[string]uint64), limit: limit}
}

// fresh reports whether no commit after base wrote key.
func (r *recent) fresh(key string, base uint64) bool {
	return base >= r.floor && r.written[key] <= base
}

// begin opens a commit.
func (r *recent) begin(number uint64) {
	if n := len(r.commits); n > 0 && len(r.commits[n-1].keys) == 0 {
		r.commits[n-1].number = number
		return
	}
	r.commits = append(r.commits, recentCommit{number: number})
}

// write notes that the commit opened last writes key.
func (r *recent) write(key string) {
	commit := &r.commits[len(r.commits)-1]
	commit.keys = append(commit.keys, key)
	r.written[key] = commit.number
	r.keys++
	for r.keys > r.limit && len(r.commits) > 1 {
		r.forget()
	}
}

func (r *recent) forget() {
	oldest := r.commits[0]
	r.commits = r.commits[1:]
	for _, key := range oldest.keys {
		if r.written[key] == oldest.number {
			delete(r.written, key)
		}
	}
	r.keys -= len(oldest.keys)
	r.floor = oldest.number
}

// reset forgets everything: what was prepared up to commit number is stale.
func (r *recent) reset(number uint64) {
	clear(r.written)
	r.commits, r.keys, r.floor = nil, 0, number
}
