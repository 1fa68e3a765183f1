// Package dump writes the documents of a database as lines of JSON, and reads them back, through
// the HTTP interface that CouchDB's and this server's databases have.
package dump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// format is the version of the lines.
const format = 1

// ErrBadDump is wrapped by errors of a dump that was cut short or altered, or is none.
var ErrBadDump = errors.New("not a whole dump")

// Header is the first line: of what the dump is.
type Header struct {
	Format   int       `json:"caddy_sync_dump"`
	Database string    `json:"database"`
	Created  time.Time `json:"created"`
}

// Summary is the last line. Between the two is a line for each leaf of a document: the document with
// _id, _rev, _revisions, and _attachments with their data.
type Summary struct {
	End       bool   `json:"end"`
	Revisions uint64 `json:"revisions"`
	// SHA256 is that of all lines before, in hex digits.
	SHA256 string `json:"sha256"`
}

type writer struct {
	out  *bufio.Writer
	hash hash.Hash
	sum  Summary
}

func newWriter(w io.Writer, h Header) (*writer, error) {
	d := &writer{out: bufio.NewWriterSize(w, 64<<10), hash: sha256.New()}
	return d, d.line(h)
}

// line writes a value as one line.
func (d *writer) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	return d.text(text)
}

func (d *writer) text(text []byte) error {
	text = append(text, '\n')
	_, _ = d.hash.Write(text) // never fails
	if _, err := d.out.Write(text); err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	return nil
}

// add writes a revision. Its numbers and texts stay as they are; only white space goes.
func (d *writer) add(doc []byte) error {
	var line bytes.Buffer
	if err := json.Compact(&line, doc); err != nil {
		return fmt.Errorf("what the server answered: %w", err)
	}
	d.sum.Revisions++
	return d.text(line.Bytes())
}

func (d *writer) close() error {
	d.sum.End, d.sum.SHA256 = true, hex.EncodeToString(d.hash.Sum(nil))
	if err := d.line(d.sum); err != nil {
		return err
	}
	if err := d.out.Flush(); err != nil {
		return fmt.Errorf("writing the dump: %w", err)
	}
	return nil
}

// Verify reads a dump to its end. ErrBadDump.
func Verify(r io.Reader) (Header, Summary, error) {
	return read(r, func([]byte) error { return nil })
}

// read calls each with every line of a revision.
func read(r io.Reader, each func(line []byte) error) (h Header, s Summary, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	sum := sha256.New()
	first, err := readLine(in)
	if err != nil {
		return h, s, err
	}
	if json.Unmarshal(first, &h) != nil || h.Format == 0 {
		return h, s, fmt.Errorf("%w: it does not begin as one", ErrBadDump)
	}
	if h.Format > format {
		return h, s, fmt.Errorf("%w: it is of a newer release", ErrBadDump)
	}
	line := first
	for n := uint64(0); ; n++ {
		_, _ = sum.Write(line) // never fails
		next, err := readLine(in)
		if err != nil {
			return h, s, err
		}
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			return h, s, finish(next, n, sum, &s)
		}
		if err := each(next); err != nil {
			return h, s, err
		}
		line = next
	}
}

// finish compares the last line with what was read.
func finish(line []byte, revisions uint64, sum hash.Hash, s *Summary) error {
	if json.Unmarshal(line, s) != nil || !s.End {
		return fmt.Errorf("%w: it has no end", ErrBadDump)
	}
	if s.Revisions != revisions || s.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return fmt.Errorf("%w: it was altered", ErrBadDump)
	}
	return nil
}

func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it has no end", ErrBadDump)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the dump: %w", err)
	}
	return line, nil
}
