package main

import "fmt"

// fault is a kind of broken promise.
type fault string

const (
	// faultLost is an acknowledged write that is not there, nor a descendant of it.
	faultLost fault = "acknowledged write lost"
	// faultBody is a revision that is there with the body of another one.
	faultBody fault = "wrong body"
	// faultBack is a sequence lower than one that was seen before.
	faultBack fault = "sequence went back"
	// faultTwice is one sequence on two changes.
	faultTwice fault = "sequence given twice"
	// faultGap is a sequence that no change has.
	faultGap fault = "sequence left out"
	// faultSkipped is a change that a feed went past without showing it.
	faultSkipped fault = "change skipped by a feed"
	// faultVanished is a change that a feed showed and that is not there.
	faultVanished fault = "change shown and not kept"
	// faultRow is a feed's row that disagrees with the document.
	faultRow fault = "row differs from its document"
	// faultStart is a server that does not start on the store that a crash left behind.
	faultStart fault = "no start after a crash"
	// faultSession is a session that lets nobody in though nobody ended it, or that lets
	// somebody in after its end was acknowledged.
	faultSession fault = "session differs from what was acknowledged"
	// faultAnswer is an answer that a correct server cannot give to what was sent.
	faultAnswer fault = "answer that cannot be"
)

// finding is one fault that was found.
type finding struct {
	fault  fault
	detail string
}

func (f finding) String() string { return fmt.Sprintf("%s: %s", f.fault, f.detail) }
