package access

import (
	"net/http"

	"github.com/caddysync/caddy-sync/syncstore"
)

// RejectionError is why a policy refused a write. It counts as a syncstore.ErrRejected.
type RejectionError struct {
	// Status is what HTTP would answer: 401 or 403 if the policy forbids the write
	// (only these are the writer's fault), 500 if it failed.
	Status int
	// Name is the name of the error, "" for that of the status.
	Name string
	// Reason is for the client: the sync function's own words, or a fixed text.
	Reason string
	// cause is what failed where the reason is a fixed text. It may quote documents: it is
	// for administrators.
	cause error
}

// Error is the reason behind the words of syncstore.ErrRejected.
func (r *RejectionError) Error() string { return syncstore.ErrRejected.Error() + ": " + r.Reason }

// Explain is the error with what failed, for administrators.
func (r *RejectionError) Explain() string {
	if r.cause == nil {
		return r.Error()
	}
	return r.Error() + ": " + r.cause.Error()
}

// Unwrap makes errors.Is find syncstore.ErrRejected.
func (r *RejectionError) Unwrap() error { return syncstore.ErrRejected }

func forbidden(reason string) *RejectionError {
	return &RejectionError{Status: http.StatusForbidden, Reason: reason}
}

// Reasons that apps may know from Sync Gateway.
const (
	reasonException = "Exception in JS sync function"
	reasonTimeout   = "JS sync function timed out"
	reasonUser      = "sg wrong user"
	reasonRole      = "sg missing role"
	reasonChannel   = "sg missing channel access"
	reasonAdmin     = "sg admin required"
)

func failed(reason string) *RejectionError {
	return &RejectionError{Status: http.StatusInternalServerError, Reason: reason}
}
