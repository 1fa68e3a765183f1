// Command caddy-sync is a Caddy with the sync server and its development identity
// provider in it.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/caddysync/caddy-sync"
	_ "github.com/caddysync/caddy-sync/devidp"
)

func main() {
	caddycmd.Main()
}
