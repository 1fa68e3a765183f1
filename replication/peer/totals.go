package peer

// Work counts the revisions that replications moved.
type Work struct {
	// Pulled and Pushed were stored, here and at the other servers.
	Pulled, Pushed uint64
	// Failures were refused, or could not be had.
	Failures uint64
}

func (w *Work) add(s Status) {
	w.Failures += s.Failures
	if s.Direction == Push {
		w.Pushed += s.Written
		return
	}
	w.Pulled += s.Written
}

// States are all that a replication may have.
var States = [...]State{Starting, Running, Idle, Retrying, Completed, Failed, Stopped}

// Totals tells what all replications did since the manager was made, and how many of those
// that List shows are in which state.
func (m *Manager) Totals() (Work, map[State]int) {
	states := make(map[State]int, len(States))
	for _, s := range m.List() {
		states[s.State]++
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	work := m.ended
	for _, r := range m.running {
		work.add(r.Status())
	}
	return work, states
}
