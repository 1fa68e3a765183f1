package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
)

const (
	// bodySize is a document's bytes without its _ members.
	bodySize = 1024
	// idSpace is how many different IDs there are; idStep spreads them, and has no
	// divisor in common with it, so that none repeats.
	idSpace = 10_000_000
	idStep  = 7_654_321
)

// documentID is the ID of the i-th document: not in order, as the IDs of real ones.
func documentID(i int) string { return fmt.Sprintf("d%07d", i*idStep%idSpace) }

func appendID(b []byte, i int) []byte {
	n := uint64(i) * idStep % idSpace
	at := len(b)
	b = append(b, "d0000000"...)
	for j := len(b) - 1; n > 0 && j > at; j-- {
		b[j] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// paddings make half of a document random, so that compression finds as little as in
// real ones. They are few, so that making documents costs the client nothing.
var paddings = makePaddings(512)

func makePaddings(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]string, n)
	for i := range all {
		raw := make([]byte, 384)
		for j := range raw {
			raw[j] = byte(random.Uint32())
		}
		all[i] = base64.StdEncoding.EncodeToString(raw)
	}
	return all
}

const plainText = "The quick brown fox jumps over the lazy dog while the offline client waits for its network to return. "

// appendBody appends the i-th document as a JSON object of bodySize bytes.
func appendBody(b []byte, i int) []byte {
	return append(appendMembers(append(b, '{'), i, bodySize-2), '}')
}

// appendMembers appends members of a document that take size bytes.
func appendMembers(b []byte, i, size int) []byte {
	end := len(b) + size
	b = append(b, `"n":`...)
	b = strconv.AppendInt(b, int64(i), 10)
	b = append(b, `,"random":"`...)
	b = append(b, paddings[i%len(paddings)]...)
	b = append(b, `","text":"`...)
	for len(b) < end-1 {
		b = append(b, plainText[:min(len(plainText), end-1-len(b))]...)
	}
	return append(b, '"')
}
