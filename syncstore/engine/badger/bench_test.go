package badger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// benchDocuments is how many documents the benchmarks read.
const benchDocuments = 100_000

// document returns 1 KB that is half random, as JSON with identifiers and texts is.
func document(random *rand.Rand) []byte {
	b := make([]byte, 0, 1100)
	b = append(b, '{')
	for i := 0; len(b) < 1000; i++ {
		b = fmt.Appendf(b, `"field number %d":"%016x a few words",`, i, random.Uint64())
	}
	return append(b, `"last":true}`...)
}

func documentKey(i int) []byte {
	return fmt.Appendf(nil, "\x01\x00\x00\x00\x01\x00\x00\x00\x01document/%09d", i)
}

func openFilled(b *testing.B) *Engine {
	b.Helper()
	o := Options{Memory: 256 << 20, MinFree: 1, NoSync: true}
	path := b.TempDir()
	e, err := Open(path, o)
	require.NoError(b, err)
	random := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < benchDocuments; at += 500 {
		require.NoError(b, e.Update(b.Context(), func(tx engine.Txn) error {
			for i := at; i < at+500; i++ {
				if err := tx.Put(documentKey(i), document(random)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	require.NoError(b, e.Close()) // so that everything is in tables
	e, err = Open(path, o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, e.Close()) })
	return e
}

func BenchmarkGet(b *testing.B) {
	e := openFilled(b)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		random := rand.New(rand.NewPCG(3, 4))
		for pb.Next() {
			err := e.View(context.Background(), func(r engine.Reader) error {
				_, err := r.Get(documentKey(random.IntN(benchDocuments)))
				return err
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	e := openFilled(b)
	for _, c := range []struct {
		name string
		in   engine.Range
	}{
		{"pairs", engine.Range{}}, {"keys", engine.Range{KeysOnly: true}}, {"backwards", engine.Range{Reverse: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				err := e.View(b.Context(), func(r engine.Reader) error {
					pairs, failed := r.Scan(c.in)
					for range pairs {
						n++
					}
					return failed()
				})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}

// BenchmarkUpdate commits groups as the committer does.
func BenchmarkUpdate(b *testing.B) {
	for _, size := range []int{1, 100, 400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e, err := Open(b.TempDir(), Options{MinFree: 1})
			require.NoError(b, err)
			random := rand.New(rand.NewPCG(1, 2))
			n := 0
			for b.Loop() {
				require.NoError(b, e.Update(b.Context(), func(tx engine.Txn) error {
					for range size {
						n++
						if err := tx.Put(documentKey(n), document(random)); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "documents/s")
			require.NoError(b, e.Close())
		})
	}
}
