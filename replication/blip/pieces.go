package blip

const (
	// smallestPiece is what a second frame of a body gets room for at least.
	smallestPiece = 16 << 10
	// largestPiece bounds what is made in advance for a body that may not come.
	largestPiece = 1 << 20
)

// pieces is a body of which not all has come. It grows without being copied: a slice that
// grows by append holds 45 MB for a body of 20 MB while it is copied, and leaves 80 MB behind.
type pieces struct {
	full   [][]byte // what comes before last
	last   []byte
	size   int
	memory int // the capacity of all of them
}

// add copies b behind what there is.
func (p *pieces) add(b []byte) {
	p.size += len(b)
	n := min(len(b), cap(p.last)-len(p.last))
	p.last, b = append(p.last, b[:n]...), b[n:]
	if len(b) == 0 {
		return
	}
	room := len(b)
	if len(p.last) > 0 { // the body is of more than one frame
		p.full = append(p.full, p.last)
		room = max(room, smallestPiece, min(p.size, largestPiece))
	}
	p.last = append(make([]byte, 0, room), b...)
	p.memory += cap(p.last)
}

// join returns all of it as one slice. A body of one piece is not copied.
func (p *pieces) join() []byte {
	if len(p.full) == 0 {
		return p.last
	}
	b := make([]byte, 0, p.size)
	for _, piece := range p.full {
		b = append(b, piece...)
	}
	return append(b, p.last...)
}
