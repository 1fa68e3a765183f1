package lite

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stage is one recorded scenario, played again: the devices act in the recorded version,
// and what our server sends is compared with what the recorded one sent.
type stage struct {
	*site
	version  Version
	name     string
	recorded [][]Message
	played   [][]Message
	// more are shapes that our server sends and the recorded one did not, by connection.
	more map[int][]string
	// less are shapes that the recorded server sent and ours does not.
	less map[int][]string
	// maybe are shapes that may be there or not: the client closes meanwhile.
	maybe map[int][]string
	// otherwise are connections on which the device may say something else.
	otherwise map[int]bool
}

// play runs one recorded connection.
func (s *stage) play(d *Device, config Config) *Replication {
	s.t.Helper()
	r := d.Sync(s.adjust(config))
	s.played = append(s.played, r.Messages())
	return r
}

// begin is play for a connection that lasts: end it with s.end.
func (s *stage) begin(d *Device, config Config) *Replication {
	s.t.Helper()
	config.Continuous = true
	r := d.Start(s.adjust(config))
	s.played = append(s.played, nil)
	r.WaitIdle(s.t)
	return r
}

// end stops what begin began as the nth connection, from 1.
func (s *stage) end(r *Replication, connection int) {
	s.t.Helper()
	r.WaitIdle(s.t)
	r.Stop()
	s.played[connection-1] = r.Messages()
}

// quietly is a replication that was not recorded.
func (s *stage) quietly(d *Device, config Config) {
	s.t.Helper()
	d.Sync(s.adjust(config))
}

// await waits until the server has sent so many requests of a profile.
func (s *stage) await(r *Replication, profile string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		seen := 0
		for _, m := range r.Messages() {
			if m.FromServer && m.Profile() == profile {
				seen++
			}
		}
		return seen >= n
	}, 10*time.Second, 2*time.Millisecond, "%d %s", n, profile)
	r.WaitIdle(s.t)
}

// adjust makes a device do what those did that were recorded: 4.0 does not read the revision
// of a checkpoint that Sync Gateway calls _rev.
func (s *stage) adjust(config Config) Config {
	config.ForgetCheckpointRev = true
	config.PushLast = true
	return config
}

func (s *stage) device() *Device { return NewDevice(s.t, s.version) }

// tolerated says why a line of the recording is not what our server sends.
type tolerated struct{ recorded, ours, reason string }

// deliberate are the differences that we want, in all scenarios.
var deliberate = []tolerated{
	{
		"Collection property not specified and default collection is not configured for this database",
		"The database has no default collection.",
		"texts are our own",
	},
}

func (s *stage) compare() {
	s.t.Helper()
	require.Len(s.t, s.played, len(s.recorded), "connections")
	for i := range s.recorded {
		want := shapesOf(s.recorded[i], true)
		for _, line := range s.more[i+1] {
			if !strings.Contains(line, "Checkpoint)") || !slices.Contains(want, line) { // those count once
				want = append(want, line)
			}
		}
		for _, line := range s.less[i+1] {
			at := slices.Index(want, line)
			require.GreaterOrEqual(s.t, at, 0, "connection %d of the recording has no %s", i+1, line)
			want = slices.Delete(want, at, at+1)
		}
		slices.Sort(want)
		for j, line := range want {
			for _, d := range deliberate {
				line = strings.ReplaceAll(line, d.recorded, d.ours)
			}
			want[j] = line
		}
		got := shapesOf(s.played[i], true)
		isMaybe := func(line string) bool { return slices.Contains(s.maybe[i+1], line) }
		want, got = slices.DeleteFunc(want, isMaybe), slices.DeleteFunc(got, isMaybe)
		require.Equal(s.t, strings.Join(want, "\n"), strings.Join(got, "\n"), "what the server sends on connection %d\n%s", i+1, transcript(s.played[i]))
	}
}

// compareClient sees that the device does what Couchbase Lite did: else the comparison of
// the server's part would say little.
func (s *stage) compareClient() {
	s.t.Helper()
	for i := range s.recorded {
		want, got := shapesOf(s.recorded[i], false), shapesOf(s.played[i], false)
		if s.otherwise[i+1] {
			continue
		}
		if s.more[i+1] != nil { // it goes on where the recording hung
			require.Subset(s.t, got, want, "connection %d", i+1)
			continue
		}
		require.Equal(s.t, strings.Join(want, "\n"), strings.Join(got, "\n"), "what the device sends on connection %d\n%s", i+1, transcript(s.played[i]))
	}
}

func transcript(messages []Message) string {
	var b strings.Builder
	for i := range messages {
		b.WriteString(messages[i].String() + "\n")
	}
	return b.String()
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// scenarios are the scripts of the recordings, by name without the version.
var scenarios = map[string]func(*stage){}

// versions of the recordings.
var recordedVersions = map[string]Version{"3.2.2": V32, "4.0.3": V40}

func TestEveryRecordedScenario(t *testing.T) {
	t.Parallel()
	for _, name := range traceNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parts := strings.SplitN(name, "-", 3)
			version, ok := recordedVersions[parts[1]]
			require.True(t, ok, "a recording of an unknown version")
			play := scenarios[parts[2]]
			require.NotNil(t, play, "a recording without a script")
			s := &stage{version: version, name: parts[2], recorded: readTrace(t, name), more: make(map[int][]string),
				less: make(map[int][]string), maybe: make(map[int][]string), otherwise: make(map[int]bool)}
			s.site = newSite(t, func(site *site) { site.noDefault = parts[2] == "defaultcollection" })
			play(s)
			if !t.Failed() {
				s.compare()
				s.compareClient()
			}
		})
	}
}
