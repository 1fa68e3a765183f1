package caddysync

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/dump"
	"github.com/spf13/cobra"
)

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export <url of a database> <file> [--authorization-file <file>]",
		Short: "Writes the documents of a database as lines of JSON",
		Long: `
Reads a database through the administrator's site (or any that shows all documents, CouchDB's
own included) and writes a line of JSON for each leaf of each document: with its ancestry,
its attachments, and whether it is a tombstone. Users, channels and local documents are not
in it; a backup has everything.

<url of a database> is as http://localhost:4985/notes; a collection is http://localhost:8081/notes.shop.orders.`,
		RunE: runCommand(runExport),
	}
	addAuthorizationFlag(cmd)
	return cmd
}

func addAuthorizationFlag(cmd *cobra.Command) {
	cmd.Flags().String("authorization-file", "", "A file with the value of the header Authorization, such as: Bearer <token>")
}

// databaseAt is the database at a URL, with the credentials that a flag names.
func databaseAt(fl caddycmd.Flags, url string) (*dump.Database, error) {
	authorization := ""
	if file := fl.String("authorization-file"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the credentials: %w", err)
		}
		authorization = strings.TrimSpace(string(text))
	}
	return dump.NewDatabase(url, authorization)
}

func runExport(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
	if fl.NArg() != 2 {
		return usage("sync export <url of a database> <file>")
	}
	db, err := databaseAt(fl, fl.Arg(0))
	if err != nil {
		return err
	}
	return writeWhole(fl.Arg(1), func(w io.Writer) error {
		_, err := dump.Export(ctx, db, w, func(n uint64) { t.tell("%d revisions", n) })
		return err
	}, func(path string) error {
		sum, err := verifyDump(ctx, path)
		if err == nil {
			t.say("%s: %d revisions", fl.Arg(1), sum.Revisions)
		}
		return err
	})
}

func verifyDump(ctx context.Context, path string) (sum dump.Summary, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { _ = file.Close() }()
	_, sum, err = dump.Verify(untilEnded{ctx, file})
	return sum, err
}
