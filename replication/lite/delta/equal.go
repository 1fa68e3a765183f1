package delta

import "bytes"

// equal reports whether value x of a and value y of b mean the same: white space, the
// order of members and escapes make no difference. Numbers are compared by their text:
// whoever holds 1.0 and is told 1 may show another document than we do.
func equal(a *text, x value, b *text, y value) bool {
	kind := a.kind(x)
	switch {
	case kind == '{' && b.kind(y) == '{':
		return equalObjects(a, x, b, y)
	case kind == '[' && b.kind(y) == '[':
		return equalArrays(a, x, b, y)
	}
	return equalScalars(a, x, b, y)
}

// equalScalars is equal for two values that are not both objects or both arrays.
func equalScalars(a *text, x value, b *text, y value) bool {
	if a.kind(x) == '"' && b.kind(y) == '"' {
		return bytes.Equal(a.str(x), b.str(y))
	}
	return a.kind(x) == b.kind(y) && bytes.Equal(a.slice(x), b.slice(y))
}

func equalArrays(a *text, x value, b *text, y value) bool {
	left, right := a.inside(x), b.inside(y)
	for {
		v, more := left.value()
		w, other := right.value()
		if !more || !other {
			return more == other
		}
		if !equal(a, v, b, w) {
			return false
		}
	}
}

func equalObjects(a *text, x value, b *text, y value) bool {
	members := b.fields(y)
	count := 0
	left := a.inside(x)
	for key, v, ok := left.member(); ok; key, v, ok = left.member() {
		f := members.find(a.str(key))
		if f == nil || !equal(a, v, b, f.value) {
			return false
		}
		count++
	}
	return count == len(members.list)
}
