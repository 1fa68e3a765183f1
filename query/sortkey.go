package query

import (
	"encoding/binary"
	"math"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Tags of the kinds in sort keys. None is 0, which ends arrays and objects.
const sortTag = 1 // that of null; the others follow in the order of their kinds

// AppendSortKey appends bytes whose order is that of the collation: of two JSON values the
// lesser one has the lesser bytes, and equal ones have equal bytes. No key is the beginning of
// another one. The value was checked, and has no white space around it.
func (c *Collation) AppendSortKey(key, value []byte) []byte {
	return c.appendSortKey(key, value, math.MaxInt)
}

// AppendSortKeyUpTo is AppendSortKey with so many bytes at most, the first ones. It reports
// false if there are more. They cost what they need, however long the value is.
func (c *Collation) AppendSortKeyUpTo(key, value []byte, most int) (_ []byte, whole bool) {
	end := len(key) + most
	if key = c.appendSortKey(key, value, end); len(key) > end {
		return key[:end:end], false
	}
	return key, true
}

// appendSortKey may leave out what is behind end.
func (c *Collation) appendSortKey(key, value []byte, end int) []byte {
	s, ok := c.sorters.Get().(*sorter)
	if !ok {
		s = &sorter{collator: collate.New(language.Und)}
	}
	s.end = end
	key = s.append(key, value)
	if !s.large {
		c.sorters.Put(s)
	}
	return key
}

// sorter makes sort keys.
type sorter struct {
	collator *collate.Collator
	buffer   collate.Buffer
	end      int  // what is behind it is not wanted
	large    bool // a long string made the collator large
}

func (s *sorter) append(key []byte, v value) []byte {
	k := kindOf(v)
	key = append(key, sortTag+byte(k))
	switch k {
	case kindNumber:
		return appendNumber(key, v)
	case kindString:
		return s.appendString(key, v.text())
	case kindArray:
		for element := range v.elements {
			if key = s.append(key, element); len(key) > s.end {
				return key
			}
		}
		return append(key, 0)
	case kindObject:
		for name, member := range v.members {
			if key = s.append(s.append(key, name), member); len(key) > s.end {
				return key
			}
		}
		return append(key, 0)
	default:
		return key
	}
}

// appendString appends what the collator makes of a text. It has zeros between its levels, so
// that each is written as 00 ff, and the end as 00 01.
func (s *sorter) appendString(key, text []byte) []byte {
	if len(text) > collatedAtOnce && s.end < math.MaxInt {
		return append(appendEscaped(key, s.beginningOfKey(text, max(0, s.end-len(key))+1)), 0, 1)
	}
	s.large = s.large || len(text) > keptString
	s.buffer.Reset()
	return append(appendEscaped(key, s.collator.Key(&s.buffer, text)), 0, 1)
}

// appendEscaped appends a text with its zeros written as 00 ff, so that 00 01 can end it.
func appendEscaped[T string | []byte](key []byte, text T) []byte {
	for i := range len(text) {
		if key = append(key, text[i]); text[i] == 0 {
			key = append(key, 0xff)
		}
	}
	return key
}

// Signs of numbers in sort keys.
const (
	signNegative = 1
	signZero     = 2
	signPositive = 3
)

// appendNumber appends a sign, the place of the decimal point, and the digits without zeros at
// their end. What is behind a negative sign is turned around.
func appendNumber(key []byte, v value) []byte {
	d := parseDecimal(v)
	if d.zero() {
		return append(key, signZero)
	}
	n := len(d.whole) + len(d.fraction)
	for d.digit(n-1) == '0' {
		n--
	}
	if d.negative {
		key = append(key, signNegative)
	} else {
		key = append(key, signPositive)
	}
	begin := len(key)
	key = appendExponent(key, d.point)
	for i := range n {
		key = append(key, d.digit(i))
	}
	key = append(key, 0)
	if d.negative {
		for i := begin; i < len(key); i++ {
			key[i] = ^key[i]
		}
	}
	return key
}

// appendExponent appends a small number as one byte, and others as nine.
func appendExponent(key []byte, point int64) []byte {
	const middle, most = 128, 100
	if -most <= point && point <= most {
		return append(key, byte(middle+point))
	}
	mark := byte(middle - most - 1)
	if point > 0 {
		mark = middle + most + 1
	}
	return binary.BigEndian.AppendUint64(append(key, mark), uint64(point)^(1<<63))
}
