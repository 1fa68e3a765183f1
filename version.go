package caddysync

import (
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/caddysync/caddy-sync"

// version is the version of this module in the running binary, as clients are told it.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == modulePath && module.Version != "" && module.Version != "(devel)" {
			return module.Version
		}
	}
	return "dev"
})
