package query

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
)

// decimal is a JSON number as its digits, so that it is compared exactly whatever its
// length: 0.whole fraction x 10^point, the first digit not zero. Both are empty for 0.
type decimal struct {
	negative        bool
	whole, fraction []byte
	point           int64
}

// maxExponent bounds exponents: those of more than 10^17 are read as this.
const maxExponent = 100_000_000_000_000_000

func parseDecimal(v value) decimal {
	var d decimal
	if len(v) > 0 && v[0] == '-' {
		d.negative, v = true, v[1:]
	}
	at := digits(v, 0)
	d.whole = v[:at]
	if at < len(v) && v[at] == '.' {
		end := digits(v, at+1)
		d.fraction, at = v[at+1:end], end
	}
	d.point = int64(len(d.whole))
	if at < len(v) { // an e
		d.point += parseExponent(v[at+1:])
	}
	for len(d.whole) > 0 && d.whole[0] == '0' {
		d.whole = d.whole[1:]
		d.point--
	}
	for len(d.whole) == 0 && len(d.fraction) > 0 && d.fraction[0] == '0' {
		d.fraction = d.fraction[1:]
		d.point--
	}
	if d.zero() {
		return decimal{}
	}
	return d
}

// digits returns the end of the digits that begin at at.
func digits(v value, at int) int {
	for at < len(v) && '0' <= v[at] && v[at] <= '9' {
		at++
	}
	return at
}

func parseExponent(text []byte) int64 {
	if len(text) == 0 {
		return 0
	}
	sign := int64(1)
	switch text[0] {
	case '-':
		sign, text = -1, text[1:]
	case '+':
		text = text[1:]
	}
	n := int64(0)
	for _, c := range text {
		if n = n*10 + int64(c-'0'); n >= maxExponent {
			return sign * maxExponent
		}
	}
	return sign * n
}

func (d *decimal) zero() bool { return len(d.whole)+len(d.fraction) == 0 }

// digit returns a digit, counted from the first; those behind the last are zeros.
func (d *decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	if i -= len(d.whole); i < len(d.fraction) {
		return d.fraction[i]
	}
	return '0'
}

// compareNumbers orders numbers by their value.
func compareNumbers(a, b value) int {
	if bytes.Equal(a, b) {
		return 0
	}
	x, y := parseDecimal(a), parseDecimal(b)
	switch {
	case x.zero() && y.zero():
		return 0
	case x.zero():
		return -y.sign()
	case y.zero() || x.negative != y.negative:
		return x.sign()
	case x.point != y.point:
		return x.sign() * cmp.Compare(x.point, y.point)
	}
	for i := range max(len(x.whole)+len(x.fraction), len(y.whole)+len(y.fraction)) {
		if p, q := x.digit(i), y.digit(i); p != q {
			return x.sign() * cmp.Compare(p, q)
		}
	}
	return 0
}

// sign is that of a number other than zero.
func (d *decimal) sign() int {
	if d.negative {
		return -1
	}
	return 1
}

// remainder returns what is left of a whole number divided by divisor, with the sign of
// the number. It reports false for other numbers, and for those that no computer will
// ever mean (exponents from 10^17).
func remainder(v value, divisor int64) (int64, bool) {
	d := parseDecimal(v)
	n := len(d.whole) + len(d.fraction)
	for n > 0 && d.digit(n-1) == '0' {
		n--
	}
	if n == 0 {
		return 0, true
	}
	if int64(n) > d.point || d.point >= maxExponent {
		return 0, false
	}
	by := magnitude(divisor)
	rest := uint64(0)
	for i := range n {
		rest = addModulo(mulModulo(rest, 10, by), uint64(d.digit(i)-'0')%by, by)
	}
	rest = mulModulo(rest, powerOfTen(d.point-int64(n), by), by)
	if d.negative {
		return int64(-rest), true
	}
	return int64(rest), true
}

func magnitude(n int64) uint64 {
	if n == math.MinInt64 {
		return 1 << 63
	}
	return uint64(max(n, -n))
}

// mulModulo multiplies numbers below modulus.
func mulModulo(a, b, modulus uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return bits.Rem64(high, low, modulus)
}

// addModulo adds numbers below modulus, which is at most 2^63.
func addModulo(a, b, modulus uint64) uint64 { return (a + b) % modulus }

func powerOfTen(exponent int64, modulus uint64) uint64 {
	result, base := 1%modulus, 10%modulus
	for ; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result = mulModulo(result, base, modulus)
		}
		base = mulModulo(base, base, modulus)
	}
	return result
}
