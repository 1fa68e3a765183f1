package caddysync

import (
	"context"
	"errors"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/dump"
	"github.com/caddysync/caddy-sync/movein"
	"github.com/spf13/cobra"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import <file> <url of a database> [--authorization-file <file>]",
		Short: "Writes exported documents into a database, or moves one in from another server",
		Long: `
With a file, writes the documents of an exported file into a database that is there, through the
administrator's site, as a replication would: revisions keep their names and ancestry, what
is there stays, and importing again changes nothing. The file is read to its end before the
first document is written. What the server refuses is passed over, and named at the end; all else
is known to be there then.

The commands couchdb and sync-gateway take a database over from a running server (docs/import.md).`,
		RunE: runCommand(runImport),
	}
	addAuthorizationFlag(cmd)
	cmd.AddCommand(moveCommand(movein.CouchDB), moveCommand(movein.SyncGateway))
	return cmd
}

func runImport(ctx context.Context, fl caddycmd.Flags, t *terminal) (err error) {
	if fl.NArg() != 2 {
		return usage("sync import <file> <url of a database>")
	}
	db, err := databaseAt(fl, fl.Arg(1))
	if err != nil {
		return err
	}
	if _, err := verifyDump(ctx, fl.Arg(0)); err != nil {
		return err
	}
	file, err := os.Open(fl.Arg(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum, err := dump.Import(ctx, db, file, func(n uint64) { t.tell("%d revisions", n) })
	if err != nil {
		return err
	}
	t.say("%d revisions are there.", sum.Revisions)
	return nil
}
