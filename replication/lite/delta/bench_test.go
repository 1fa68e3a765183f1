package delta

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchDocument is a document of 100 orders, about 10 kB.
func benchDocument() []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"list","orders":[`)
	for i := range 100 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"number":%d,"customer":"Müller & Söhne","total":%d.99,"lines":[{"item":"bolt","count":%d}]}`, i, 100+i, i)
	}
	b.WriteString(`],"checked":false}`)
	return b.Bytes()
}

func BenchmarkDiff(b *testing.B) {
	old := benchDocument()
	target := bytes.Replace(old, []byte(`"count":50`), []byte(`"count":51`), 1)
	b.SetBytes(int64(len(old) + len(target)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Diff(old, target); !ok {
			b.Fatal("no delta")
		}
	}
}

// BenchmarkDiffDeep is the worst of nesting: each of 500 levels differs, above 1 MB.
func BenchmarkDiffDeep(b *testing.B) {
	const levels = 500
	leaf := `"` + strings.Repeat("x", 1<<20)
	old := []byte(strings.Repeat(`{"z":1,"a":`, levels) + leaf + `"` + strings.Repeat("}", levels))
	target := []byte(strings.Repeat(`{"a":`, levels) + leaf + `y"` + strings.Repeat("}", levels))
	b.SetBytes(int64(len(old) + len(target)))
	for b.Loop() {
		Diff(old, target)
	}
}

func BenchmarkApply(b *testing.B) {
	old := benchDocument()
	delta, ok := Diff(old, bytes.Replace(old, []byte(`"count":50`), []byte(`"count":51`), 1))
	require.True(b, ok)
	require.Equal(b, `{"orders":{"50":{"lines":{"0":{"count":51}}}}}`, string(delta))
	b.SetBytes(int64(len(old) + len(delta)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(old, delta); err != nil {
			b.Fatal(err)
		}
	}
}
