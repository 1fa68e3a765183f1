package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Clients write both lists in many apps. Nothing interrupts what Go makes of them, while the function has one of a few
// runtimes: a name counts once, however often it stands there.
func TestRepeatedNamesOfGrantsCostLittle(t *testing.T) {
	t.Parallel()
	var users, channels []string
	for i := range 10_000 {
		users = append(users, fmt.Sprintf(`"user%d"`, i%1000))
		channels = append(channels, `"news"`)
	}
	outcome, err := evaluate(t, `access(doc.users, doc.channels)`, `{"users":[`+strings.Join(users, ",")+`],"channels":[`+strings.Join(channels, ",")+`]}`)
	require.NoError(t, err)
	require.Len(t, outcome.Grants, 1000)
}
