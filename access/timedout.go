package access

// TimedOut reports whether the write failed because the function took too long.
func (r *RejectionError) TimedOut() bool { return r.Reason == reasonTimeout }
