package mango

import (
	"encoding/base64"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// noBookmark is what CouchDB answers where there is no place to go on from.
const noBookmark = "nil"

// bookmark is the place in an index behind which a query goes on. It holds nothing of documents
// but of the last one that was answered.
type bookmark struct {
	index syncstore.IndexID // zero: _all_docs
	at    []byte            // of an index, syncstore.IndexEntry.At; of _all_docs the ID
	text  string            // as it came
}

// bookmarkFormat begins a bookmark.
const bookmarkFormat = 1

func (b *bookmark) String() string {
	text := append([]byte{bookmarkFormat}, b.index[:]...)
	return base64.RawURLEncoding.EncodeToString(append(text, b.at...))
}

// parseBookmark reads a bookmark; nil stands for the beginning.
func parseBookmark(value []byte) (*bookmark, error) {
	if string(value) == "null" {
		return nil, nil
	}
	invalid := bad("invalid_bookmark", "Invalid bookmark value: %s", shown(value))
	if value[0] != '"' {
		return nil, invalid
	}
	text, err := jsondoc.String(value)
	if err != nil {
		return nil, err
	}
	if text == "" || text == noBookmark {
		return nil, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	var b bookmark
	if err != nil || len(decoded) <= 1+len(b.index) || decoded[0] != bookmarkFormat {
		return nil, invalid
	}
	copy(b.index[:], decoded[1:])
	b.at, b.text = decoded[1+len(b.index):], text
	return &b, nil
}
