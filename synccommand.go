package caddysync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/spf13/cobra"
)

// syncCommand is `sync`: what an operator does with stores.
func syncCommand() caddycmd.Command {
	return caddycmd.Command{
		Name:  "sync",
		Usage: "<command>",
		Short: "Backs stores up, restores, checks, exports and imports",
		Long: `
Backs the stores of the sync server up, restores and checks them. docs/operating.md
says when to do which.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(backupCommand(), restoreCommand(), checkCommand(), compactCommand(), exportCommand(), importCommand(), userCommand(), sessionCommand())
			cmd.RunE = ofCommands
		},
	}
}

// ofCommands is what a command does that only has others below it. By itself cobra shows the help for a
// mistyped one too, and calls it a success: a nightly backup that never was.
func ofCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SilenceUsage = true
	return usage(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ") + " " + strings.Join(names(cmd.Commands()), "|") + " …")
}

func names(commands []*cobra.Command) (all []string) {
	for _, c := range commands {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	return all
}

// runCommand runs a subcommand until it is done, or the user ends it: by a signal, after which it cleans up. Another
// one ends the process as it would without this.
func runCommand(run func(ctx context.Context, fl caddycmd.Flags, t *terminal) error) func(*cobra.Command, []string) error {
	return caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		// Whoever reads what the command says may be gone before it has done what it is for.
		signal.Ignore(syscall.SIGPIPE)
		t := newTerminal(os.Stdout, os.Stderr)
		err := run(ctx, fl, t)
		if err == nil {
			err = t.failed
		}
		if err != nil {
			return 1, err
		}
		return 0, nil
	})
}

// addAdminFlags adds the flags by which Caddy's own commands find the admin API.
func addAdminFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "Configuration file to use to parse the admin address, if --address is not used")
	cmd.Flags().StringP("adapter", "a", "", "Name of config adapter to apply (when --config is used)")
	cmd.Flags().StringP("address", "", "", "The address to use to reach the admin API endpoint, if not the default")
	cmd.Flags().String("store", "", "The folder of the store, if the server has several")
}

func adminAddress(fl caddycmd.Flags) (string, error) {
	return caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
}

// askAdmin asks the admin API of the running server. Caddy's request cannot be ended: if the user does that, it is
// left, and the process ends.
func askAdmin(ctx context.Context, address, method, path string) (*http.Response, error) {
	var res *http.Response
	answered := make(chan error, 1)
	go func() {
		var err error
		res, err = caddycmd.AdminAPIRequest(address, method, path, nil, nil) //nolint:bodyclose // by who asked; if it is left, the process ends
		answered <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-answered:
		if err != nil && strings.HasPrefix(err.Error(), "performing request: ") { // not wrapped: nobody answered
			return nil, fmt.Errorf("%w: does the server run, and is its admin endpoint elsewhere? Give its `admin` address by "+
				"--address, or the Caddyfile that has it by --config", err)
		}
		return res, err
	}
}

// untilEnded reads a file that may be large until the user ends the command.
type untilEnded struct {
	ctx  context.Context //nolint:containedctx // of one reading
	file io.Reader
}

func (u untilEnded) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.file.Read(p)
}

func addKeyFlag(cmd *cobra.Command) {
	cmd.Flags().String("key-file", "", "A file with the store's encryption_key, if it has one")
}

// engineOptions are how a command opens a store.
func engineOptions(fl caddycmd.Flags) (badger.Options, error) {
	o := badger.Options{GCInterval: -1}
	file := fl.String("key-file")
	if file == "" {
		return o, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return o, fmt.Errorf("reading the encryption key: %w", err)
	}
	o.EncryptionKey, err = decodeKey(string(text))
	return o, err
}

// existingFolder refuses what is no folder: opening a store would make one.
func existingFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("looking for the store: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", path)
	}
	if _, err := os.Stat(path + "/MANIFEST"); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no store in %s", path)
	}
	return nil
}

// notRunning says in which words a store that is in use is refused.
func notRunning(err error, instead string) error {
	if errors.Is(err, badger.ErrInUse) {
		return fmt.Errorf("%w: a server is running on it; %s", err, instead)
	}
	return err
}

// usage is the error of a command that was not given what it needs.
func usage(text string) error { return errors.New("write `" + text + "`") }
