package caddysync

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func init() { caddy.RegisterModule(memoryStore{}) }

// memoryStore is a store in memory, with which the tests see what the app does to one.
type memoryStore struct {
	Name string `json:"name"`
	// Option stands for what an open store cannot change.
	Option string `json:"option,omitempty"`
	// Fail makes Open fail.
	Fail bool `json:"fail,omitempty"`
}

func (memoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "sync.stores.memory", New: func() caddy.Module { return new(memoryStore) }}
}

func (m *memoryStore) Key() string   { return "memory:" + m.Name }
func (m *memoryStore) Memory() int64 { return 0 }

func (m *memoryStore) Open(context.Context, *zap.Logger) (engine.Engine, error) {
	if m.Fail {
		return nil, errors.New("the disk is gone")
	}
	return memory.New(), nil
}

func (m *memoryStore) Reconfigure(opened Backend) error {
	if opened.(*memoryStore).Option != m.Option {
		return ErrRestartNeeded
	}
	return nil
}

func (m *memoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&m.Name) {
		return d.ArgErr()
	}
	return parseBlock(d, "store memory", func(word string) parseWord {
		switch word {
		case "option":
			return text(&m.Option)
		case "fail":
			return flag(&m.Fail)
		}
		return nil
	})
}

// adapt returns a Caddyfile's JSON.
func adapt(t *testing.T, text string) []byte {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	for _, w := range warnings {
		require.Contains(t, w.Message, "not formatted", "%+v", w)
	}
	return config
}

// adaptError returns the error that a Caddyfile is refused with.
func adaptError(t *testing.T, text string) string {
	t.Helper()
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	require.Error(t, err)
	return err.Error()
}

// validate provisions a configuration without running it, as `caddy validate` does. Caddy's
// own state is the process's, so tests that use it do not run in parallel.
func validate(t *testing.T, config []byte) error {
	t.Helper()
	var c caddy.Config
	require.NoError(t, json.Unmarshal(config, &c))
	return caddy.Validate(&c)
}

// withGlobal makes a Caddyfile of the inside of the global sync option and of a site.
func withGlobal(option, site string) string {
	return strings.NewReplacer("OPTION", option, "SITE", site).Replace(`{
	admin off
	persist_config off
	sync {
		OPTION
	}
}
http://127.0.0.1:0 {
	bind 127.0.0.1
	SITE
}
`)
}
