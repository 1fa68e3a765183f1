package blip

import "slices"

const (
	// maxCode is the longest code of deflate, in bits.
	maxCode = 15
	// Codes up to these many bits are found with one look, longer ones with two.
	literalBits  = 9
	distanceBits = 7

	literalSymbols  = 288 // two of them are in no block
	distanceSymbols = 32  // so are two of these
	endSymbol       = 256
)

// entry says what to do after some bits: its lowest five bits say how many of them are the code,
// then comes what kind of entry it is, then how many bits of a number follow the code. The upper
// half is the literal, the number that these are added to, or where in huffman.rest to go on. 0
// is of no code.
type entry uint32

const (
	codeMask = entry(31)

	literalEntry entry = 1 << 5
	numberEntry  entry = 1 << 6
	endEntry     entry = 1 << 7
	linkEntry    entry = 1 << 8

	extraShift = 10
	extraMask  = entry(15)
	valueShift = 16
)

func (e entry) extra() uint { return uint(e >> extraShift & extraMask) }
func (e entry) value() int  { return int(e >> valueShift) }

// What symbols mean, without their codes (RFC 1951, 3.2.5 and 3.2.7).
var (
	literalEntries  = makeLiteralEntries()
	distanceEntries = makeDistanceEntries()
	lengthEntries   = makeLengthEntries()
)

// makeLiteralEntries makes those of bytes, of the end, and of lengths: from 3 on, four and four
// with as many bits behind them.
func makeLiteralEntries() (all [literalSymbols]entry) {
	for i := range endSymbol {
		all[i] = literalEntry | entry(i)<<valueShift
	}
	all[endSymbol] = endEntry
	for i, length := endSymbol+1, 3; i < 285; i++ {
		extra := max(0, (i-261)/4)
		all[i] = numberEntry | entry(extra)<<extraShift | entry(length)<<valueShift
		length += 1 << extra
	}
	all[285] = numberEntry | maxMatch<<valueShift
	return all // the last two stay what no code may be
}

// makeDistanceEntries makes those of distances: from 1 on, two and two with as many bits.
func makeDistanceEntries() (all [distanceSymbols]entry) {
	for i, distance := 0, 1; i < 30; i++ {
		extra := max(0, i/2-1)
		all[i] = numberEntry | entry(extra)<<extraShift | entry(distance)<<valueShift
		distance += 1 << extra
	}
	return all
}

// makeLengthEntries makes those of the code for the lengths of codes.
func makeLengthEntries() (all [19]entry) {
	for i := range all {
		all[i] = literalEntry | entry(i)<<valueShift
	}
	return all
}

// huffman finds the entry of the code that comes next.
type huffman struct {
	first [1 << literalBits]entry
	// rest has what follows codes that are longer, restMask what of the bits counts there.
	rest     []entry
	restMask uint64
}

// build makes the tables of a code that is given by the length of each symbol's, and reports
// whether it is one: every sequence of bits must mean something, but for a code of one symbol, or
// none, which may not be used then.
func (h *huffman) build(lengths []byte, symbols []entry, width int) bool {
	var count, place [maxCode + 2]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	longest, left := 0, 1 // left are the codes of a length that none begins with
	for l := 1; l <= maxCode; l++ {
		left = left<<1 - count[l]
		if left < 0 {
			return false
		}
		place[l+1] = place[l] + count[l]
		if count[l] > 0 {
			longest = l
		}
	}
	if left > 0 && longest > 1 {
		return false
	}
	var order [literalSymbols]uint16 // symbols by their codes
	for symbol, l := range lengths {
		if l > 0 {
			order[place[l]] = uint16(symbol)
			place[l]++
		}
	}
	h.fill(order[:place[longest]], symbols, &count, longest, width)
	return true
}

// fill fills the tables with symbols, which are in the order of their codes. Of each length the
// first table is what it was for one less, twice: bits come the lowest first, and the highest of
// them does not matter to shorter codes.
func (h *huffman) fill(order []uint16, symbols []entry, count *[maxCode + 2]int, longest, width int) {
	h.rest = h.rest[:0]
	h.first[0] = 0
	code := uint(0) // reversed
	for l := 1; l <= max(longest, width); l++ {
		if l <= width {
			copy(h.first[1<<(l-1):1<<l], h.first[:1<<(l-1)])
		}
		for range count[min(l, maxCode)] {
			e := symbols[order[0]]
			order = order[1:]
			if e != 0 {
				e |= entry(l)
			}
			if l <= width {
				h.first[code] = e
			} else {
				h.putLong(e, code, l, longest, width)
			}
			// The next code is one more, in the bits from the highest down.
			carry := uint(1) << (l - 1)
			for ; code&carry != 0; carry >>= 1 {
				code ^= carry
			}
			code |= carry
		}
	}
}

// putLong puts an entry wherever its code leads to that is longer than the first look.
func (h *huffman) putLong(e entry, code uint, length, longest, width int) {
	link := &h.first[code&(1<<width-1)]
	if *link&linkEntry == 0 {
		at, size := len(h.rest), 1<<(longest-width)
		h.rest = slices.Grow(h.rest, size)[:at+size]
		h.restMask = uint64(size - 1)
		*link = linkEntry | entry(at)<<valueShift
	}
	rest := h.rest[link.value():]
	for code >>= width; code <= uint(h.restMask); code += 1 << (length - width) {
		rest[code] = e
	}
}

// fixed are the codes of blocks that bring none of their own (RFC 1951, 3.2.6).
var fixed = makeFixed()

type codes struct{ literals, distances *huffman }

func makeFixed() (c codes) {
	lengths := slices.Concat(
		slices.Repeat([]byte{8}, 144), slices.Repeat([]byte{9}, 112), slices.Repeat([]byte{7}, 24), slices.Repeat([]byte{8}, 8))
	c = codes{new(huffman), new(huffman)}
	c.literals.build(lengths, literalEntries[:], literalBits)
	c.distances.build(slices.Repeat([]byte{5}, distanceSymbols), distanceEntries[:], distanceBits)
	return c
}
