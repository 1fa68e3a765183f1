package peer

import (
	"encoding/json"
	"sync"
	"time"
)

// State is what a replication does.
type State string

// The states of a replication.
const (
	Starting  State = "starting"
	Running   State = "running"
	Idle      State = "idle"     // everything is replicated; it waits for changes
	Retrying  State = "retrying" // it failed, and waits before it goes on
	Completed State = "completed"
	Failed    State = "failed"
	Stopped   State = "stopped"
)

// Status is how a replication is doing.
type Status struct {
	ID             string
	Name           string
	Keyspace       string
	Direction      Direction
	Source, Target string
	Continuous     bool
	Channels       []string
	DocIDs         []string
	State          State
	// Rows counts the rows of the source's feed that were looked at, Pending is how many were left
	// when it last answered; -1: it does not say. Of a pull only.
	Rows    uint64
	Pending int64
	// Checked counts the revisions that were compared, Missing those that the target had not.
	Checked, Missing uint64
	// Read and Written count revisions. Failures are those that the target, or the store, did
	// not take, and that the source did not give. LeftBehind are those of them that are tried
	// again.
	Read, Written, Failures uint64
	LeftBehind              int
	// Attempts counts how often the replication failed since it last got on.
	Attempts int
	// Seq is the source's sequence up to which everything is replicated, as JSON.
	Seq json.RawMessage
	// Error is the last failure, "" if it went well since.
	Error            string
	Started, Updated time.Time
	// Next is when a Retrying one goes on.
	Next time.Time
}

// progress is a Status that is written to while others read it.
type progress struct {
	mu sync.Mutex
	s  Status
}

func (p *progress) change(fn func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(&p.s)
	p.s.Updated = time.Now()
}

func (p *progress) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s
}
