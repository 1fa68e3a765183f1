package query

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// collatedAtOnce is how much of a text is collated at once where only the beginning of its key is
// wanted: the collator needs some 35 bytes for each one.
const collatedAtOnce = 4 << 10

// keyLevels are the parts of a collation key: the letters of the whole text, then its accents, then
// its cases. Of a text that is collated piece by piece each level grows by itself.
type keyLevels [3][]byte

// add adds the levels of another key. Of each level most bytes are enough.
func (l *keyLevels) add(key []byte, most int) {
	end := 0
	for key[end] != 0 || key[end+1] != 0 {
		if key[end]&0x80 != 0 {
			end++ // a letter that is not among the usual ones has three bytes
		}
		end += 2
	}
	l.grow(0, key[:end], most)
	key = key[end+2:]
	for end = 0; key[end] != 0 || key[end+1] != 0; end += 2 {
	}
	l.grow(1, key[:end], most)
	l.grow(2, key[end+2:], most)
}

func (l *keyLevels) grow(level int, part []byte, most int) {
	l[level] = append(l[level], part[:min(len(part), most-min(most, len(l[level])))]...)
}

// key is the key that begins as that of the whole text does.
func (l *keyLevels) key() []byte { return bytes.Join(l[:], []byte{0, 0}) }

// beginningOfKey is what the collator's key of a text begins with: most bytes of it, or more. No more of
// the text is collated than that takes, and not much at once.
func (s *sorter) beginningOfKey(text []byte, most int) []byte {
	var levels keyLevels
	for len(text) > 0 && len(levels[0]) < most {
		end := pieceEnd(text, collatedAtOnce)
		s.large = s.large || end > keptString
		s.buffer.Reset()
		levels.add(s.collator.Key(&s.buffer, text[:end]), most)
		text = text[end:]
	}
	return levels.key()
}

// pieceEnd is where a piece of a text may end, of some length at least: where what follows is
// collated as it would be alone.
func pieceEnd(text []byte, least int) int {
	end := min(least, len(text))
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	for end < len(text) {
		before, _ := utf8.DecodeLastRune(text[:end])
		next, size := utf8.DecodeRune(text[end:])
		combines := norm.NFD.Properties(text[end:]).LeadCCC() != 0
		contracts := unicode.Is(contracting, before) && unicode.Is(contracted, next)
		if !combines && !contracts {
			return end
		}
		end += size
	}
	return end
}

// contracting are characters that have a place of their own in the order together with a following one that
// is no mark, and contracted are these followers, as golang.org/x/text has them; neighbours of theirs are
// taken in.
var (
	contracting = &unicode.RangeTable{
		R16: []unicode.Range16{
			{0x004c, 0x004c, 1}, {0x006c, 0x006c, 1}, // L and a middle dot
			{0x09c7, 0x09c7, 1}, {0x0b47, 0x0b47, 1}, {0x0b92, 0x0b92, 1}, {0x0bc6, 0x0bc7, 1}, {0x0cbf, 0x0cca, 1}, {0x0d46, 0x0d47, 1}, {0x0dd9, 0x0dd9, 1},
			{0x0e40, 0x0e4d, 1}, {0x0ec0, 0x0ecd, 1}, // vowels that stand before their consonants
			{0x1025, 0x1025, 1}, {0x1b05, 0x1b42, 1}, {0xaab5, 0xaabc, 1},
		},
		R32: []unicode.Range32{{0x11131, 0x11132, 1}},
	}
	contracted = &unicode.RangeTable{
		R16: []unicode.Range16{
			{0x00b7, 0x00b7, 1}, {0x0387, 0x0387, 1},
			{0x09be, 0x09d7, 1}, {0x0b3e, 0x0b57, 1}, {0x0bbe, 0x0bd7, 1}, {0x0cc2, 0x0cd6, 1}, {0x0d3e, 0x0d57, 1}, {0x0dcf, 0x0ddf, 1},
			{0x0e01, 0x0e32, 1}, {0x0e81, 0x0eb2, 1}, {0x0edc, 0x0edf, 1},
			{0x102e, 0x102e, 1}, {0x1b35, 0x1b35, 1}, {0xaa80, 0xaaaf, 1},
		},
		R32:         []unicode.Range32{{0x11127, 0x11127, 1}},
		LatinOffset: 1,
	}
)
