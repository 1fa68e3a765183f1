package blip

import (
	"encoding/binary"
	"sync"
)

// maxMatch is the most that one reference to the past repeats, in bytes.
const maxMatch = 258

// inflating is a deflated frame (RFC 1951) while it is read. That a frame is in memory as a
// whole, and that what it may refer to is kept anyway, is why this does it with less work than a
// reader of streams, which copies all that beforehand.
type inflating struct {
	in   []byte
	at   int    // of in, behind what is in bits
	bits uint64 // the next ones of in, the lowest first; those above have are not counted yet
	have int

	window []byte // what was before out
	out    []byte
	filled int

	// Of the block that is under way.
	block  blockKind
	stored int // bytes left of it
	codes  codes

	literals, distances huffman
	lengths             [literalSymbols + distanceSymbols]byte
}

type blockKind int

const (
	noBlock blockKind = iota
	storedBlock
	codedBlock
)

var inflatings = sync.Pool{New: func() any { return new(inflating) }}

// begin begins a frame.
func (f *inflating) begin(in []byte) {
	f.in, f.at, f.bits, f.have, f.block = in, 0, 0, 0, noBlock
}

// fill inflates into out, which comes after window, until that is about full or the frame is over.
func (f *inflating) fill(window, out []byte) (filled int, over bool, err error) {
	f.window, f.out, f.filled = window, out, 0
	defer func() { f.window, f.out = nil, nil }()
	for {
		switch f.block {
		case noBlock:
			if over, err := f.beginBlock(); over || err != nil {
				return f.filled, over, err
			}
		case storedBlock:
			n := copy(f.out[f.filled:], f.in[f.at:f.at+f.stored])
			f.at += n
			f.filled += n
			if f.stored -= n; f.stored > 0 {
				return f.filled, false, nil
			}
			f.block = noBlock
		case codedBlock:
			if full, err := f.decode(); full || err != nil {
				return f.filled, false, err
			}
			f.block = noBlock
		}
	}
}

// refill reads as many bits as there is room for.
func (f *inflating) refill() {
	for f.have <= 56 && f.at < len(f.in) {
		f.bits |= uint64(f.in[f.at]) << f.have
		f.at++
		f.have += 8
	}
}

// take takes some bits, at most 32. If there are not so many, have is negative.
func (f *inflating) take(n int) int {
	if f.have < n {
		f.refill()
	}
	v := f.bits & (1<<n - 1)
	f.bits >>= n
	f.have -= n
	return int(v)
}

// beginBlock reads the header of a block. A frame is over where the length of a stored block is
// missing, of none, which the sender left out (blip.md 2.5). There must be no last block: nothing
// could come after it.
func (f *inflating) beginBlock() (over bool, err error) {
	last, kind := f.take(1), f.take(2)
	if f.have < 0 || last == 1 {
		return false, errInflate
	}
	switch kind {
	case 0:
		return f.beginStored()
	case 1:
		f.codes = fixed
	case 2:
		if !f.readCodes() {
			return false, errInflate
		}
	default:
		return false, errInflate
	}
	f.block = codedBlock
	return false, nil
}

func (f *inflating) beginStored() (over bool, err error) {
	f.at -= f.have / 8 // whole bytes go back, and what is left of one away
	f.bits, f.have = 0, 0
	rest := f.in[f.at:]
	if len(rest) == 0 {
		return true, nil
	}
	if len(rest) < 4 {
		return false, errInflate
	}
	size := binary.LittleEndian.Uint16(rest)
	if size != ^binary.LittleEndian.Uint16(rest[2:]) || len(rest) < 4+int(size) {
		return false, errInflate
	}
	f.at += 4
	f.block, f.stored = storedBlock, int(size)
	return false, nil
}

// lengthOrder is the order in which the lengths of the code for lengths come.
var lengthOrder = [...]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes of a block that brings its own (RFC 1951, 3.2.7).
func (f *inflating) readCodes() bool {
	literals, distances, n := f.take(5)+257, f.take(5)+1, f.take(4)+4
	if literals > 286 || distances > 30 || n > len(lengthOrder) {
		return false
	}
	var lengths [len(lengthOrder)]byte
	for _, symbol := range lengthOrder[:n] {
		lengths[symbol] = byte(f.take(3))
		if f.have < 0 {
			return false
		}
	}
	if !f.distances.build(lengths[:], lengthEntries[:], distanceBits) { // it lends its place
		return false
	}
	all := f.lengths[:literals+distances]
	if !f.readLengths(all) || all[endSymbol] == 0 {
		return false
	}
	f.codes = codes{&f.literals, &f.distances}
	return f.literals.build(all[:literals], literalEntries[:], literalBits) &&
		f.distances.build(all[literals:], distanceEntries[:], distanceBits)
}

// readLengths reads the lengths of all codes, which are coded themselves.
func (f *inflating) readLengths(lengths []byte) bool {
	for i := 0; i < len(lengths); {
		if f.have < maxCode {
			f.refill()
		}
		e := f.distances.first[f.bits&(1<<distanceBits-1)]
		length, symbol := int(e&codeMask), e.value()
		f.bits >>= length
		if f.have -= length; f.have < 0 || e == 0 {
			return false
		}
		if symbol <= maxCode {
			lengths[i] = byte(symbol)
			i++
			continue
		}
		var again byte
		var times int
		switch symbol {
		case 16:
			if i == 0 {
				return false
			}
			again, times = lengths[i-1], 3+f.take(2)
		case 17:
			times = 3 + f.take(3)
		default:
			times = 11 + f.take(7)
		}
		if f.have < 0 || times > len(lengths)-i {
			return false
		}
		for ; times > 0; times-- {
			lengths[i] = again
			i++
		}
	}
	return true
}

// decode inflates a block that has codes until it ends, or out is as full as it may get: what
// comes next might not go in.
func (f *inflating) decode() (full bool, err error) {
	literals, distances := f.codes.literals, f.codes.distances
	in, out, bits, have, at, filled := f.in, f.out, f.bits, f.have, f.at, f.filled
	for filled+maxMatch <= len(out) {
		// A length and a distance take 48 bits at most.
		if have < 48 {
			if len(in)-at >= 8 {
				bits |= binary.LittleEndian.Uint64(in[at:]) << have
				at += (63 - have) >> 3
				have |= 56
			} else {
				f.bits, f.have, f.at = bits, have, at
				f.refill()
				bits, have, at = f.bits, f.have, f.at
			}
		}
		e := literals.first[bits&(1<<literalBits-1)]
		if e&linkEntry != 0 {
			e = literals.rest[uint64(e.value())+bits>>literalBits&literals.restMask]
		}
		bits >>= e & codeMask
		have -= int(e & codeMask)
		if e&literalEntry != 0 && have >= 0 {
			out[filled] = byte(e >> valueShift)
			filled++
			continue
		}
		if e&endEntry != 0 && have >= 0 {
			f.bits, f.have, f.at, f.filled = bits, have, at, filled
			return false, nil
		}
		length := e.value() + int(bits&(1<<e.extra()-1))
		bits >>= e.extra()
		have -= int(e.extra())
		d := distances.first[bits&(1<<distanceBits-1)]
		if d&linkEntry != 0 {
			d = distances.rest[uint64(d.value())+bits>>distanceBits&distances.restMask]
		}
		bits >>= d & codeMask
		distance := d.value() + int(bits&(1<<d.extra()-1))
		bits >>= d.extra()
		have -= int(d&codeMask) + int(d.extra())
		if have < 0 || e&d&numberEntry == 0 || distance > filled+len(f.window) {
			return false, errInflate
		}
		repeat(out[:filled+length], filled, distance, f.window)
		filled += length
	}
	f.bits, f.have, f.at, f.filled = bits, have, at, filled
	return true, nil
}

// repeat fills out from a place on with what was so far before it, perhaps in the window.
func repeat(out []byte, at, distance int, window []byte) {
	if back := distance - at; back > 0 {
		at += copy(out[at:], window[len(window)-back:])
	}
	// What is repeated may begin to be written only now: each turn then has more of it.
	for from := at - distance; at < len(out); {
		at += copy(out[at:], out[from:at])
	}
}
