package syncstore

import "fmt"

func (d *indexedDocument) encode() []byte {
	e := encoder{}
	e.byte(indexFormat)
	e.uvarint(uint64(len(d.channels)))
	for _, name := range d.channels {
		e.text(name)
	}
	e.uvarint(uint64(len(d.rows)))
	for _, place := range d.rows {
		e.bytes(place.sort)
		e.uvarint(uint64(place.n))
	}
	return e.b
}

func decodeIndexed(record []byte) (*indexedDocument, error) {
	d := decoder{b: record}
	doc := &indexedDocument{channels: d.indexedChannels()}
	for range d.count(2) {
		doc.rows = append(doc.rows, rowPlace{d.bytes(), int(d.uvarint())})
	}
	return doc, d.end()
}

// decodeIndexedChannels reads the channels alone: the places of rows may be many.
func decodeIndexedChannels(record []byte) ([]string, error) {
	d := decoder{b: record}
	channels := d.indexedChannels()
	return channels, d.err
}

func (d *decoder) indexedChannels() (channels []string) {
	if format := d.byte(); format != indexFormat && d.err == nil {
		d.err = fmt.Errorf("%w: format %d of an indexed document", ErrDamaged, format)
	}
	for range d.count(1) {
		channels = append(channels, d.text())
	}
	return channels
}

func (r *IndexRow) encode() []byte {
	e := encoder{b: make([]byte, 0, len(r.Key)+len(r.Value)+8)}
	e.uvarint(uint64(len(r.Sort))) // where the document's ID begins in the row's key
	e.bytes(r.Key)
	e.raw(r.Value)
	return e.b
}
