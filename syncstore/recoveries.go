package syncstore

import (
	"context"
	"sync"
)

// recoveries are the packages above that keep in memory what they read of the store: each has to forget it when
// the store was recovered, since a doubtful commit that was seen may be gone, and one that was not may be there.
type recoveries struct {
	mu   sync.Mutex
	told map[*func(context.Context) error]struct{}
}

// OnRecovery has fn called whenever the store was brought back after a commit in doubt (DECISIONS 32). From then on
// reads show what became of it, and nothing is written until fn has returned nil; if it fails, the recovery does, and
// is tried again. fn may read, but not write. stop ends this, and waits for fn if it is running.
func (r *Records) OnRecovery(fn func(context.Context) error) (stop func()) {
	all := &r.store.recoveries
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.told == nil {
		all.told = make(map[*func(context.Context) error]struct{})
	}
	all.told[&fn] = struct{}{}
	return func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		delete(all.told, &fn)
	}
}

// tell calls those who asked to be told, as far as the first that fails.
func (r *recoveries) tell(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for fn := range r.told {
		if err := (*fn)(ctx); err != nil {
			return err
		}
	}
	return nil
}
