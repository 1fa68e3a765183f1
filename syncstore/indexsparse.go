package syncstore

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// ErrSparse says that a viewer sees so few of the rows of an index that it costs less to look at
// the documents of the viewer's channels.
var ErrSparse = errors.New("the viewer sees few of the rows")

// IndexPlace is the IndexEntry.At of a document's row, the n-th one from 0.
func IndexPlace(sort []byte, id string, n int) []byte {
	return binary.BigEndian.AppendUint32(appendTerminated(bytes.Clone(sort), id), uint32(n))
}
