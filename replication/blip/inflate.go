package blip

import "fmt"

const (
	// windowSize is how far back deflated data may refer.
	windowSize = 32 << 10
	// windowSlack is how much more of the past is kept for a while.
	windowSlack = 8 << 10
	// maxInflated bounds what one frame inflates to. Couchbase Lite fills frames of 16 KiB
	// with as much as goes in, deflated, which of zeros is 16 MiB.
	maxInflated = 20 << 20
)

var errInflate = fmt.Errorf("%w: a frame that cannot be inflated", ErrProtocol)

// inflater reads the deflated frames of one direction: one stream, cut into frames. Between
// frames it keeps only the window, so that an idle connection costs no more than that.
type inflater struct {
	window []byte // the end of what deflated frames had; raw frames do not enter it
}

// inflate hands to take what payload inflates to: all at once, or in pieces of about readLimit
// if it is more, so that a zip bomb ends at the limit of its message and is never in memory.
func (i *inflater) inflate(payload []byte, out *buffer, take func([]byte) error) error {
	if len(payload) == 0 {
		return nil
	}
	f := inflatings.Get().(*inflating)
	defer func() {
		f.in = nil
		inflatings.Put(f)
	}()
	f.begin(payload)
	for all, over := 0, false; !over; {
		var n int
		var err error
		if n, over, err = f.fill(i.window, out.b[:readLimit]); err != nil {
			return err
		}
		if all += n; all > maxInflated {
			return fmt.Errorf("%w: a frame inflates to more than %d bytes", ErrLimit, maxInflated)
		}
		i.keep(out.b[:n])
		if err := take(out.b[:n]); err != nil {
			return err
		}
	}
	return nil
}

// keep moves the window over what was inflated. It has some room to spare, so that not every
// small frame moves all of it.
func (i *inflater) keep(out []byte) {
	if len(out) >= windowSize {
		i.window = append(i.window[:0], out[len(out)-windowSize:]...)
		return
	}
	if len(i.window)+len(out) > windowSize+windowSlack {
		i.window = i.window[:copy(i.window, i.window[len(i.window)+len(out)-windowSize:])]
	}
	i.window = append(i.window, out...)
	if cap(i.window) > windowSize+windowSlack { // append grows by more than is needed
		i.window = append(make([]byte, 0, windowSize+windowSlack), i.window...)
	}
}
