package syncstore

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// A backup is a magic text and frames: a header, pairs in the order of their keys, and an end.
// After the end comes the SHA-256 of all before it, and nothing more. A frame has a kind, the
// length of what it holds, that, and a CRC-32C of the three, so that damage is found before what
// is damaged is used; the end and the hash tell that nothing is missing.
//
// In a backup since an earlier one, all keys of the store are there still, those that were not
// written since without their values: so it says itself what was deleted. An engine forgets that,
// and an earlier backup does not know it.
const (
	backupMagic  = "caddy-sync backup\n"
	backupFormat = 1

	frameHeader = 'H' // BackupHeader in JSON
	framePairs  = 'P'
	frameEnd    = 'E' // BackupEnd in JSON

	// framePairsSize is about how many bytes of pairs make a frame.
	framePairsSize = 256 << 10
	// maxFrame is the longest frame that is read: one pair of the largest sizes, and some.
	maxFrame = engine.MaxValueSize + 2*engine.MaxKeySize + framePairsSize
)

// BackupHeader says what a backup is of.
type BackupHeader struct {
	// Format is that of the file, StoreFormat that of the store.
	Format      int       `json:"format"`
	StoreFormat int       `json:"store_format"`
	Created     time.Time `json:"created"`
	// Since is the Next of the backup that this one goes on from; "" if it is whole.
	Since string `json:"since,omitempty"`
	// Next names this backup for the next one, which then has only what was written after it. ""
	// if none can go on from it.
	Next string `json:"next,omitempty"`
}

// BackupEnd counts what a backup has: keys, and those with values.
type BackupEnd struct {
	Keys   uint64 `json:"keys"`
	Values uint64 `json:"values"`
}

// backupPair is a key in a backup; value is nil if it was not written since.
type backupPair struct {
	key, value []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// backupWriter writes a backup.
type backupWriter struct {
	out  io.Writer
	hash hash.Hash
	// pairs is the frame that is being filled, last the key before.
	pairs, last []byte
	end         BackupEnd
	written     int64
}

func newBackupWriter(w io.Writer, h BackupHeader) (*backupWriter, error) {
	b := &backupWriter{out: w, hash: sha256.New()}
	if err := b.write([]byte(backupMagic)); err != nil {
		return nil, err
	}
	return b, b.writeJSON(frameHeader, h)
}

func (b *backupWriter) write(p []byte) error {
	_, _ = b.hash.Write(p) // never fails
	n, err := b.out.Write(p)
	b.written += int64(n)
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

func (b *backupWriter) writeJSON(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return b.writeFrame(kind, text)
}

func (b *backupWriter) writeFrame(kind byte, payload []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, payload)
	for _, part := range [][]byte{head, payload, binary.BigEndian.AppendUint32(nil, sum)} {
		if err := b.write(part); err != nil {
			return err
		}
	}
	return nil
}

// add writes a pair; a nil value says that it is as it was.
func (b *backupWriter) add(key, value []byte) error {
	shared := 0
	if len(b.pairs) > 0 {
		shared = commonLength(b.last, key)
	}
	e := encoder{b: b.pairs}
	e.uvarint(uint64(shared))
	e.bytes(key[shared:])
	b.end.Keys++
	if value == nil {
		e.byte(0)
	} else {
		e.byte(1)
		e.bytes(value)
		b.end.Values++
	}
	b.pairs, b.last = e.b, append(b.last[:0], key...)
	if len(b.pairs) >= framePairsSize {
		return b.flush()
	}
	return nil
}

func (b *backupWriter) flush() error {
	if len(b.pairs) == 0 {
		return nil
	}
	err := b.writeFrame(framePairs, b.pairs)
	b.pairs = b.pairs[:0]
	if cap(b.pairs) > 4*framePairsSize {
		b.pairs = nil // one pair was large
	}
	return err
}

// close writes the end.
func (b *backupWriter) close() error {
	if err := b.flush(); err != nil {
		return err
	}
	if err := b.writeJSON(frameEnd, b.end); err != nil {
		return err
	}
	return b.write(b.hash.Sum(nil))
}

func commonLength(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// backupReader reads what a backupWriter wrote. Whatever is not as it was written is
// ErrBadBackup.
type backupReader struct {
	in     *bufio.Reader
	hash   hash.Hash
	header BackupHeader
	end    BackupEnd
	seen   BackupEnd
	last   []byte
	read   int64
}

func badBackup(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBadBackup, fmt.Errorf(format, args...))
}

// newBackupReader reads the header. ErrBadBackup, ErrNewerFormat.
func newBackupReader(r io.Reader) (*backupReader, error) {
	b := &backupReader{in: bufio.NewReaderSize(r, 1<<20), hash: sha256.New()}
	magic := make([]byte, len(backupMagic))
	err := b.full(magic)
	switch {
	case err != nil && !errors.Is(err, ErrBadBackup):
		return nil, err
	case err != nil, string(magic) != backupMagic:
		return nil, badBackup("it does not begin as one")
	}
	kind, payload, err := b.frame()
	if err != nil {
		return nil, err
	}
	if kind != frameHeader {
		return nil, badBackup("it has no header")
	}
	if err := json.Unmarshal(payload, &b.header); err != nil {
		return nil, badBackup("its header: %w", err)
	}
	if b.header.Format > backupFormat {
		return nil, fmt.Errorf("%w: the backup has format %d, and this release reads formats up to %d", ErrNewerFormat, b.header.Format, backupFormat)
	}
	return b, checkFormatNumber(b.header.StoreFormat)
}

func (b *backupReader) full(p []byte) error {
	n, err := io.ReadFull(b.in, p)
	b.read += int64(n)
	_, _ = b.hash.Write(p[:n]) // never fails
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBackup("it ends at byte %d, before its end", b.read)
	case err != nil:
		return fmt.Errorf("reading the backup: %w", err)
	}
	return nil
}

func (b *backupReader) frame() (kind byte, payload []byte, err error) {
	at := b.read
	var head [5]byte
	if err := b.full(head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, badBackup("damaged at byte %d", at)
	}
	payload, err = b.payload(int(size))
	if err != nil {
		return 0, nil, err
	}
	var sum [4]byte
	if err := b.full(sum[:]); err != nil {
		return 0, nil, err
	}
	if binary.BigEndian.Uint32(sum[:]) != crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, payload) {
		return 0, nil, badBackup("damaged between the bytes %d and %d", at, b.read)
	}
	return head[0], payload, nil
}

// payload reads so many bytes, and takes no memory for what is not there.
func (b *backupReader) payload(size int) ([]byte, error) {
	var payload []byte
	for len(payload) < size {
		piece := make([]byte, min(size-len(payload), 1<<20))
		if err := b.full(piece); err != nil {
			return nil, err
		}
		payload = append(payload, piece...)
	}
	return payload, nil
}

// next returns the next pairs, nil when all were there and the backup proved to be whole.
func (b *backupReader) next() ([]backupPair, error) {
	kind, payload, err := b.frame()
	switch {
	case err != nil:
		return nil, err
	case kind == frameEnd:
		return nil, b.finish(payload)
	case kind != framePairs:
		return nil, badBackup("a frame of kind %q", kind)
	}
	d := decoder{b: payload}
	var pairs []backupPair
	var last []byte
	for len(d.b) > 0 && d.err == nil {
		shared := d.uvarint()
		suffix := d.bytes()
		if shared > uint64(len(last)) {
			d.fail()
			break
		}
		p := backupPair{key: append(bytes.Clone(last[:shared]), suffix...)}
		if d.byte() == 1 {
			p.value = d.bytes()
			b.seen.Values++
		}
		last = p.key
		pairs = append(pairs, p)
		b.seen.Keys++
		if bytes.Compare(p.key, b.last) <= 0 {
			return nil, badBackup("its keys are not in order")
		}
		b.last = p.key
	}
	if d.err != nil || len(pairs) == 0 {
		return nil, badBackup("pairs that cannot be read")
	}
	return pairs, nil
}

func (b *backupReader) finish(payload []byte) error {
	if err := json.Unmarshal(payload, &b.end); err != nil {
		return badBackup("its end: %w", err)
	}
	want := b.hash.Sum(nil)
	got := make([]byte, len(want))
	if err := b.full(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) || b.seen != b.end {
		return badBackup("its hash is another one")
	}
	if _, err := b.in.ReadByte(); !errors.Is(err, io.EOF) {
		return badBackup("something follows its end")
	}
	return nil
}

// VerifyBackup reads a backup to its end and tells what it is. ErrBadBackup: it was cut short
// or altered. ErrNewerFormat.
func VerifyBackup(r io.Reader) (BackupHeader, BackupEnd, error) {
	b, err := newBackupReader(r)
	if err != nil {
		return BackupHeader{}, BackupEnd{}, err
	}
	for {
		pairs, err := b.next()
		if err != nil || pairs == nil {
			return b.header, b.end, err
		}
	}
}
