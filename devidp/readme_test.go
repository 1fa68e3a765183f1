package devidp

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

func TestCaddyfilesOfTheReadmeLoad(t *testing.T) {
	t.Parallel()

	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)

	blocks := strings.Split(string(readme), "```caddyfile\n")[1:]
	require.Len(t, blocks, 2)

	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "README.md"})
		require.NoError(t, err)

		var config any
		require.NoError(t, json.Unmarshal(adapted, &config))

		found := handlerIn(config)
		require.NotNil(t, found)

		handler, err := json.Marshal(found)
		require.NoError(t, err)

		var h Handler
		require.NoError(t, json.Unmarshal(handler, &h))

		h.Data = t.TempDir()
		require.NoError(t, tryProvision(t, &h))
	}
}

// handlerIn finds the handler's configuration somewhere in a JSON value.
func handlerIn(value any) map[string]any {
	switch v := value.(type) {
	case map[string]any:
		if v["handler"] == directive {
			return v
		}

		for _, inner := range v {
			if found := handlerIn(inner); found != nil {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := handlerIn(inner); found != nil {
				return found
			}
		}
	}

	return nil
}
