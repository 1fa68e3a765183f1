package devidp

import "time"

// expiring is a map whose entries end at a time, and which holds no more than max of
// them: the oldest go first. Any web page can make a browser on this machine ask for
// logins, so memory needs a bound. Not safe for concurrent use.
type expiring[V any] struct {
	max     int
	entries map[string]expiringEntry[V]
	order   []string // keys as put, oldest first; may name deleted ones
}

type expiringEntry[V any] struct {
	value   V
	expires time.Time
}

func newExpiring[V any](limit int) *expiring[V] {
	return &expiring[V]{max: limit, entries: make(map[string]expiringEntry[V])}
}

// get returns the entry under key unless it has expired.
func (e *expiring[V]) get(key string) (V, bool) {
	entry, ok := e.entries[key]
	if !ok || !time.Now().Before(entry.expires) {
		var none V

		return none, false
	}

	return entry.value, true
}

// put sets the entry under a key that has none, for the duration given.
func (e *expiring[V]) put(key string, value V, lifetime time.Duration) {
	now := time.Now()

	for len(e.order) > 0 {
		oldest, ok := e.entries[e.order[0]]
		if ok && now.Before(oldest.expires) && len(e.entries) < e.max {
			break
		}

		delete(e.entries, e.order[0])
		e.order = e.order[1:]
	}

	e.entries[key] = expiringEntry[V]{value: value, expires: now.Add(lifetime)}
	e.order = append(e.order, key)

	if len(e.order) > 2*e.max {
		e.compact()
	}
}

// replace changes the entry under key and leaves its end as it was.
func (e *expiring[V]) replace(key string, value V) {
	if entry, ok := e.entries[key]; ok {
		entry.value = value
		e.entries[key] = entry
	}
}

func (e *expiring[V]) delete(key string) {
	delete(e.entries, key)
}

func (e *expiring[V]) compact() {
	live := make([]string, 0, len(e.entries))

	for _, key := range e.order {
		if _, ok := e.entries[key]; ok {
			live = append(live, key)
		}
	}

	e.order = live
}
