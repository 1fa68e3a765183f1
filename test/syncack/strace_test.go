package syncack

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseJoinsCallsThatWereInterrupted(t *testing.T) {
	t.Parallel()
	calls, err := Parse(strings.NewReader(strings.Join([]string{
		`10 read(7<TCP:[127.0.0.1:1->127.0.0.1:2]>,  <unfinished ...>`,
		`11 msync(0x7f0000000000, 65536, MS_SYNC <unfinished ...>`,
		`10 <... read resumed>"PUT /notes/stamp-00001 HTTP/1.1\r\n", 4096) = 33`,
		`11 <... msync resumed>)              = 0`,
		`12 fdatasync(3</store/a (b) = c.vlog>) = -1 EIO (Input/output error)`,
		`11 +++ exited with 0 +++`,
		`10 write(1</dev/null>, "x", 1 <unfinished ...>`,
	}, "\n")))
	require.NoError(t, err)
	require.Equal(t, []Call{
		{10, "read", `7<TCP:[127.0.0.1:1->127.0.0.1:2]>, "PUT /notes/stamp-00001 HTTP/1.1\r\n", 4096`, "33", 1, 3},
		{11, "msync", "0x7f0000000000, 65536, MS_SYNC", "0", 2, 4},
		{12, "fdatasync", "3</store/a (b) = c.vlog>", "-1 EIO (Input/output error)", 5, 5},
		{10, "write", `1</dev/null>, "x", 1`, "", 7, 0},
	}, calls)
	require.Equal(t, "TCP:[127.0.0.1:1->127.0.0.1:2]", calls[0].target())
	require.Equal(t, "/store/a (b) = c.vlog", calls[2].target())
	require.True(t, calls[1].ok())
	require.False(t, calls[2].ok(), "it failed")
	require.False(t, calls[3].ok(), "it never ended")
}

func TestParseRefusesWhatStraceDoesNotWrite(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hello", "10 <... read resumed>\"x\", 1) = 1"} {
		_, err := Parse(strings.NewReader(text))
		require.ErrorIs(t, err, errFormat, text)
	}
}

func TestMappingsFollowFiles(t *testing.T) {
	t.Parallel()
	calls, err := Parse(strings.NewReader(strings.Join([]string{
		`1 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 5</s/00001.mem>, 0) = 0x7f0000000000`,
		`1 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f1000000000`,
		`1 mremap(0x7f0000000000, 65536, 131072, MREMAP_MAYMOVE) = 0x7f2000000000`,
		`1 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 6</s/00002.mem>, 0) = 0x7f0000000000`,
	}, "\n")))
	require.NoError(t, err)
	var m mappings
	for _, c := range calls {
		m.apply(c)
	}
	require.Equal(t, "/s/00002.mem", m.file(0x7f0000000000))
	require.Equal(t, "/s/00001.mem", m.file(0x7f2000000000+100000))
	require.Empty(t, m.file(0x7f1000000000))
	m.apply(Call{Name: "munmap", Args: "0x7f0000000000, 65536", Result: "0", Began: 9, Ended: 9})
	require.Empty(t, m.file(0x7f0000000000))
}

// The recording is of testdata/recorder, which leaves a sync out where a stamp begins
// with 9, or makes it after the answer.
func TestDecision41_RecordedTraceIsJudged(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/recorded.trace")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	calls, err := Parse(file)
	require.NoError(t, err)
	v := Judge(calls, isStoreLog)
	require.Equal(t, []string{"stamp-00001", "stamp-00002", "stamp-90003", "stamp-00004", "stamp-91005"}, v.Acknowledged)
	require.Equal(t, []string{"stamp-90003", "stamp-91005"}, v.Unsynced)
	require.Equal(t, 4, v.Syncs)
}

func TestDecision41_OnlyASyncInBetweenCounts(t *testing.T) {
	t.Parallel()
	const (
		open   = `1 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 5</s/00001.mem>, 0) = 0x7f0000000000`
		read   = `1 read(7<TCP:[a->b]>, "PUT /notes/stamp-00001 HTTP/1.1\r\nHost: h\r\n", 4096) = 40`
		answer = `1 write(7<TCP:[a->b]>, "HTTP/1.1 201 Created\r\n\r\n", 24) = 24`
		failed = `1 write(7<TCP:[a->b]>, "HTTP/1.1 503 Service Unavailable\r\n\r\n", 36) = 36`
		sync   = `2 msync(0x7f0000000000, 65536, MS_SYNC) = 0`
		begin  = `2 msync(0x7f0000000000, 65536, MS_SYNC <unfinished ...>`
		end    = `2 <... msync resumed>)              = 0`
	)
	cases := map[string]struct {
		lines        []string
		acknowledged int
		unsynced     int
	}{
		"synced":                     {[]string{open, read, sync, answer}, 1, 0},
		"by fdatasync":               {[]string{read, `2 fdatasync(5</s/00001.mem>) = 0`, answer}, 1, 0},
		"no sync":                    {[]string{open, read, answer}, 1, 1},
		"before the request":         {[]string{open, sync, read, answer}, 1, 1},
		"began before the request":   {[]string{open, begin, read, end, answer}, 1, 1},
		"ended after the answer":     {[]string{open, read, begin, answer, end}, 1, 1},
		"failed":                     {[]string{open, read, `2 msync(0x7f0000000000, 65536, MS_SYNC) = -1 EIO (Input/output error)`, answer}, 1, 1},
		"of another file":            {[]string{open, read, `2 fsync(9</s/MANIFEST>) = 0`, answer}, 1, 1},
		"not acknowledged":           {[]string{open, read, failed}, 0, 0},
		"an answer to another":       {[]string{open, read, `1 write(8<TCP:[a->c]>, "HTTP/1.1 201 Created\r\n\r\n", 24) = 24`}, 0, 0},
		"the first byte came before": {[]string{open, `1 read(7<TCP:[a->b]>, "P", 1) = 1`, `1 read(7<TCP:[a->b]>, "UT /notes/stamp-00001 HTTP/1.1\r\n", 4096) = 39`, answer}, 1, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls, err := Parse(strings.NewReader(strings.Join(c.lines, "\n")))
			require.NoError(t, err)
			v := Judge(calls, isStoreLog)
			require.Len(t, v.Acknowledged, c.acknowledged)
			require.Len(t, v.Unsynced, c.unsynced)
		})
	}
}
