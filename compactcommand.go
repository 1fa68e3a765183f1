package caddysync

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func compactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact [--store <folder>] [--address <interface>]",
		Short: "Gives disk space of deleted attachments back",
		Long: `
Asks the running server to give back the disk space that deleted attachments had. It does
so by itself from time to time (gc in the Caddyfile); writes go on meanwhile. Space of
what was deleted lately comes back later.`,
		RunE: runCommand(runCompact),
	}
	addAdminFlags(cmd)
	return cmd
}

func runCompact(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
	if fl.NArg() != 0 {
		return usage("sync compact")
	}
	address, err := adminAddress(fl)
	if err != nil {
		return fmt.Errorf("finding the admin API: %w", err)
	}
	query := url.Values{}
	if store := fl.String("store"); store != "" {
		query.Set("store", store)
	}
	res, err := askAdmin(ctx, address, http.MethodPost, "/sync/gc?"+query.Encode())
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Rewritten int
		DiskBytes uint64 `json:"disk_bytes"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	t.say("%d files rewritten; the store takes %s.", answer.Rewritten, humanize.IBytes(answer.DiskBytes))
	return nil
}
