package badger

import "sync"

// watches are who waits for which key.
type watches struct {
	mu   sync.Mutex
	keys map[string]map[chan struct{}]struct{}
}

// add watches a key until stop is called, which may be called again.
func (w *watches) add(key []byte) (changed <-chan struct{}, stop func()) {
	// Room for one value: a second commit before the first was taken adds nothing.
	c := make(chan struct{}, 1)
	k := string(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		w.keys = make(map[string]map[chan struct{}]struct{})
	}
	if w.keys[k] == nil {
		w.keys[k] = make(map[chan struct{}]struct{})
	}
	w.keys[k][c] = struct{}{}
	return c, func() { w.remove(k, c) }
}

func (w *watches) remove(key string, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.keys[key], c)
	if len(w.keys[key]) == 0 {
		delete(w.keys, key)
	}
}

// tell tells those who watch one of keys.
func (w *watches) tell(keys [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.keys) == 0 {
		return
	}
	for _, key := range keys {
		for c := range w.keys[string(key)] {
			wake(c)
		}
	}
}

// tellAll tells all.
func (w *watches) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, channels := range w.keys {
		for c := range channels {
			wake(c)
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
