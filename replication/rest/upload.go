package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"  //nolint:gosec // names that clients use, not protections (DECISIONS 22)
	"crypto/sha1" //nolint:gosec // likewise
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

const gzipEncoding = "gzip"

// claim is what a client says about content that it sends.
type claim struct {
	digest        string // "" if it says none
	length        int64  // decoded, -1
	encodedLength int64  // -1
	encoding      string
}

func validDigest(text string) bool {
	kind, encoded, _ := strings.Cut(text, "-")
	sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return false
	}
	return (kind == "md5" && len(sum) == md5.Size) || (kind == "sha1" && len(sum) == sha1.Size)
}

// storeContent reads source to its end, stores what it gives in constant memory and
// checks it against the claim. Content that comes compressed is checked as it came and
// stored decoded (DECISIONS 22); limit holds for the decoded bytes.
func storeContent(
	ctx context.Context, db *syncstore.Database, source io.Reader, limit int64, c claim,
) (syncstore.Content, error) {
	upload := db.NewUpload(ctx)
	defer upload.Abort() // does nothing after Commit
	sent := newSums(source)
	decoded := io.Reader(sent)
	if c.encoding == gzipEncoding {
		unzipped, err := gzip.NewReader(sent)
		if err != nil {
			return syncstore.Content{}, bodyError(err)
		}
		decoded = unzipped
	}
	_, err := io.CopyBuffer(onlyWriter{upload}, onlyReader{&cappedReader{source: decoded, limit: limit, left: limit}}, make([]byte, 32<<10))
	if err != nil {
		if _, ok := errors.AsType[*bodyTooLongError](err); ok {
			return syncstore.Content{}, tooLarge(LimitAttachment, "too_large", "The attachment is over "+strconv.FormatInt(limit, 10)+" bytes.")
		}
		return syncstore.Content{}, bodyError(err)
	}
	if err := ctx.Err(); err != nil {
		return syncstore.Content{}, err
	}
	if !sent.has(c) {
		return syncstore.Content{}, badRequest("An attachment's content does not have the digest or length that was named.")
	}
	content, err := upload.Commit(ctx)
	if err != nil {
		return syncstore.Content{}, fmt.Errorf("storing an attachment: %w", err)
	}
	if c.length >= 0 && content.Length != c.length {
		return syncstore.Content{}, badRequest("An attachment's content does not have the length that was named.")
	}
	return content, nil
}

// onlyReader hides WriteTo, which would not use the buffer that is given.
type onlyReader struct{ io.Reader }

// sums computes what a digest may name over the bytes as they came.
type sums struct {
	source io.Reader
	md5    hash.Hash
	sha1   hash.Hash
	length int64
}

func newSums(source io.Reader) *sums {
	return &sums{source: source, md5: md5.New(), sha1: sha1.New()} //nolint:gosec // see imports
}

func (s *sums) Read(p []byte) (int, error) {
	n, err := s.source.Read(p)
	_, _ = s.md5.Write(p[:n]) // a hash never fails
	_, _ = s.sha1.Write(p[:n])
	s.length += int64(n)
	return n, err
}

// has reports whether the bytes that came are those of the claim.
func (s *sums) has(c claim) bool {
	if c.encoding == gzipEncoding && c.encodedLength >= 0 && c.encodedLength != s.length {
		return false
	}
	switch kind, encoded, _ := strings.Cut(c.digest, "-"); kind {
	case "md5":
		return encoded == base64.StdEncoding.EncodeToString(s.md5.Sum(nil))
	case "sha1":
		return encoded == base64.StdEncoding.EncodeToString(s.sha1.Sum(nil))
	}
	return c.digest == ""
}

// storeInline stores content that came in base64 inside its document. The digest and
// length that stand beside the data are not held against it: clients change data and
// leave them, and CouchDB names the digest of a compressed form that it does not send.
func (h *Handler) storeInline(
	ctx context.Context, db *syncstore.Database, limit int64, a *incomingAttachment,
) (syncstore.Content, string, error) {
	content, err := storeContent(ctx, db, base64Reader(a.data), limit, claim{length: -1, encodedLength: -1, encoding: a.encoding})
	if err != nil {
		return syncstore.Content{}, "", err
	}
	if content.HasDigest(a.digest) {
		return content, a.digest, nil
	}
	return content, "", nil
}

// base64Reader decodes a JSON string of base64, without a copy of it.
func base64Reader(text []byte) io.Reader {
	raw := text[1 : len(text)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return &base64Source{raw: raw}
	}
	return &base64Source{escaped: raw}
}

// base64Source gives a format error in place of base64's own, which names an offset in
// a piece of the text.
type base64Source struct {
	raw []byte
	// escaped is what comes after raw, with JSON's escapes: some encoders write \/ for /, and some break lines.
	escaped []byte
	held    [3]byte // what is decoded of four characters when the reader wants less
	rest    []byte  // of held
}

func (s *base64Source) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case len(s.rest) == 0 && len(p) < len(s.held):
		// A limit leaves room for a byte or two at its end.
		n, err := s.decode(s.held[:])
		if err != nil {
			return 0, err
		}
		s.rest = s.held[:n]
	case len(s.rest) == 0:
		return s.decode(p)
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// decode decodes as much as fits into p, which has room for three bytes at least.
func (s *base64Source) decode(p []byte) (int, error) {
	if err := s.unescape(len(p)/3*4 + 1); err != nil { // one more, to know which are the last
		return 0, err
	}
	if len(s.raw) == 0 {
		return 0, io.EOF
	}
	n := min(len(p)/3*4, len(s.raw))
	decoded, err := base64.StdEncoding.Decode(p, s.raw[:n])
	last := n == len(s.raw)
	if err != nil || (!last && s.raw[n-1] == '=') {
		return 0, errNoBase64()
	}
	s.raw = s.raw[n:]
	return decoded, nil
}

// unescape moves at least n characters from escaped to raw, if it has as many.
func (s *base64Source) unescape(n int) error {
	if len(s.escaped) == 0 || len(s.raw) >= n {
		return nil
	}
	raw := append(make([]byte, 0, n+4), s.raw...)
	for len(raw) < n && len(s.escaped) > 0 {
		var size int
		if s.escaped[0] == '\\' {
			if size = 2; s.escaped[1] == 'u' {
				size = 6
			}
			text, err := jsondoc.String(append(append([]byte{'"'}, s.escaped[:size]...), '"'))
			if err != nil {
				return errNoBase64() // half of a pair, neither of which base64 has
			}
			if text != "\n" && text != "\r" { // a piece would not end where four characters do
				raw = append(raw, text...)
			}
		} else {
			size = min(n-len(raw), len(s.escaped))
			if i := bytes.IndexByte(s.escaped[:size], '\\'); i >= 0 {
				size = i
			}
			raw = append(raw, s.escaped[:size]...)
		}
		s.escaped = s.escaped[size:]
	}
	s.raw = raw
	return nil
}

func errNoBase64() error {
	return fmt.Errorf("%w: an attachment's data is not base64", jsondoc.ErrSyntax)
}
