package syncstore

import (
	"encoding/binary"
	"fmt"
)

// encoder appends the fields of a stored record.
type encoder struct {
	b []byte
}

func (e *encoder) byte(v byte)      { e.b = append(e.b, v) }
func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) fixed64(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) raw(v []byte)     { e.b = append(e.b, v...) }

func (e *encoder) bytes(v []byte) {
	e.uvarint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) text(v string) {
	e.uvarint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) version(v Version) {
	e.fixed64(v.Time)
	e.raw(v.Source[:])
}

func (e *encoder) rev(r Rev) {
	e.uvarint(r.Gen)
	var packed [1 + maxDigestSize]byte
	e.bytes(appendDigest(packed[:0], r.Digest))
}

// decoder reads what an encoder wrote. The first error sticks; what is read after it
// is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = fmt.Errorf("%w: cut short", ErrDamaged)
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) < 1 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of things that take at least size bytes each, so that damaged
// bytes cannot ask for more memory than they are long.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) fixed64() uint64 {
	b := d.raw(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// raw returns the next n bytes, shared with the input.
func (d *decoder) raw(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// bytes returns a field shared with the input.
func (d *decoder) bytes() []byte { return d.raw(d.count(1)) }

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) version() Version {
	v := Version{Time: d.fixed64()}
	copy(v.Source[:], d.raw(len(v.Source)))
	return v
}

func (d *decoder) rev() Rev {
	rev := Rev{Gen: d.uvarint()}
	packed := d.bytes()
	if d.err != nil {
		return Rev{}
	}
	digest, err := unpackDigest(packed)
	if err != nil {
		d.err = err
		return Rev{}
	}
	rev.Digest = digest
	return rev
}

// end returns the error, or says that bytes are left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%w: %d bytes too many", ErrDamaged, len(d.b))
	}
	return d.err
}
