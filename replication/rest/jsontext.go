package rest

import "github.com/caddysync/caddy-sync/syncstore/jsondoc"

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendQuoted[T string | []byte](b []byte, s T) []byte { return jsondoc.AppendString(b, s) }
