package lite

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGetRev(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("bob", "a")
		tree := l.edit("d", `{"channels":"a"}`, "")
		rev := map[protocol]string{protocol3: tree, protocol4: l.version("d")}[version]
		gone := l.edit("gone", `{"channels":"a"}`, "")
		l.remove("gone", gone)
		l.edit("secret", `{"channels":"z"}`, "")
		c := l.connect(version)
		response := c.must("getRev", "", "id", "d")
		require.Equal(t, rev, response.Properties.Value("rev"))
		require.Equal(t, `{"channels":"a"}`, string(response.Body))
		c.must("getRev", "", "id", "d", "ifNotRev", "1-x")
		c.refused(304, "getRev", "", "id", "d", "ifNotRev", rev)
		c.refused(400, "getRev", "")
		for _, id := range []string{"gone", "secret", "nosuch"} {
			c.refused(404, "getRev", "", "id", id)
		}
	}
}
