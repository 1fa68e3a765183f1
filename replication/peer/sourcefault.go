package peer

import (
	"io"
	"sync"
)

// sourceFault is what went wrong at the source. A target that answers early is through with a request of which
// the rest is still being read.
type sourceFault struct {
	mu  sync.Mutex
	err error
}

func (f *sourceFault) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *sourceFault) noted() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// faultyBody notes what goes wrong while it is read, as what it is called.
type faultyBody struct {
	io.ReadCloser
	fault *sourceFault
	as    func(error) error
}

func (f faultyBody) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		f.fault.note(f.as(err))
	}
	return n, err
}
