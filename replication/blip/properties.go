package blip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// maxProperties is the most that encoded properties may take: Couchbase Lite's own limit
// (blip.md 1.5), so nothing longer is sent either.
const maxProperties = 100 << 10

var (
	errNul            = errors.New("a property may not have a NUL")
	errLongProperties = errors.New("the properties of a message are longer than Couchbase Lite takes")
)

// noProperties are none with their length before them. Many answers have none.
var noProperties = []byte{0}

// encode encodes properties with their length before them (blip.md 2.3). It must not be changed.
func (p Properties) encode() ([]byte, error) {
	if len(p) == 0 {
		return noProperties, nil
	}
	size := 0
	for i := range p {
		if strings.IndexByte(p[i].Name, 0) >= 0 || strings.IndexByte(p[i].Value, 0) >= 0 {
			return nil, errNul
		}
		size += len(p[i].Name) + len(p[i].Value) + 2
	}
	if size > maxProperties {
		return nil, errLongProperties
	}
	b := binary.AppendUvarint(make([]byte, 0, size+binary.MaxVarintLen32), uint64(size))
	for i := range p {
		b = append(b, p[i].Name...)
		b = append(b, 0)
		b = append(b, p[i].Value...)
		b = append(b, 0)
	}
	return b, nil
}

// parseProperties reads encoded properties, without their length.
func parseProperties(b []byte) (Properties, error) {
	if len(b) == 0 {
		return nil, nil
	}
	nuls := 0
	for _, c := range b {
		if c == 0 {
			nuls++
		}
	}
	if b[len(b)-1] != 0 || nuls%2 != 0 {
		return nil, fmt.Errorf("%w: properties that are no pairs", ErrProtocol)
	}
	p := make(Properties, 0, nuls/2)
	s := string(b) // names and values are parts of it: one allocation for all
	for s != "" {
		name, rest, _ := strings.Cut(s, "\x00")
		value, rest, _ := strings.Cut(rest, "\x00")
		p = append(p, Property{Name: name, Value: value})
		s = rest
	}
	return p, nil
}
