package syncstore

import "slices"

// accessWriter is a user as an Evaluator sees it. What the user has is read when the first asks for it: a write
// that is judged by the writer's name alone does not hang on it, and is not stale when that changes. Otherwise,
// of documents that each give their writer something, one would be committed at a time.
type accessWriter struct {
	p      *preparation
	access *access // nil: not asked for
	err    error   // reading it failed; the user has nothing then
}

// has returns what the user has, nil if that could not be read.
func (w *accessWriter) has() *access {
	if w.access == nil && w.err == nil {
		w.access, w.err = w.p.access()
	}
	return w.access
}

func (w *accessWriter) Name() string { return w.p.options.Viewer.Name }

func (w *accessWriter) Roles() []string {
	if a := w.has(); a != nil {
		return a.openRoles()
	}
	return nil
}

func (w *accessWriter) HasRole(role string) bool {
	a := w.has()
	return a != nil && slices.ContainsFunc(a.roles, func(r roleTimes) bool { return r.role == role && r.times.open() })
}

func (w *accessWriter) HasChannel(channel string) bool {
	a := w.has()
	if a == nil {
		return false
	}
	_, ok := a.in(w.p.collection.scope.collection).since(channel)
	return ok
}
