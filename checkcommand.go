package caddysync

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check <folder | backup>...",
		Short: "Reads a whole store or backup and says what is damaged",
		Long: `
Reads everything in the folder of a store that no server has open, or in a backup, and
says what is damaged and what can be saved. The store is not changed: what opening it
would write to is copied, into a folder beside it that is removed again.

To check the store of a running server, make a backup, restore it, and check that.

The exit status is 1 if something is damaged.`,
		RunE: runCommand(politely(runCheck)),
	}
	addKeyFlag(cmd)
	cmd.Flags().Bool("in-this-process", false, "")
	cmd.Flags().Bool("lenient", false, "")
	_ = cmd.Flags().MarkHidden("in-this-process") // they exist: it cannot fail
	_ = cmd.Flags().MarkHidden("lenient")
	return cmd
}

func runCheck(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
	if fl.NArg() == 0 {
		return usage("sync check <folder | backup>...")
	}
	if fl.Bool("in-this-process") {
		return checkHere(ctx, fl, t.out)
	}
	var damage error
	checked := map[string]string{} // by what goes on from it: a backup
	for _, path := range fl.Args() {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			err = checkFolder(ctx, fl, path, t)
		} else if err == nil {
			err = checkBackup(ctx, path, checked, t)
		}
		if err != nil {
			damage = errors.Join(damage, fmt.Errorf("%s: %w", path, err))
		}
	}
	return damage
}

// checkBackup reads a backup, and says whether the one that it goes on from was checked before it.
func checkBackup(ctx context.Context, path string, checked map[string]string, t *terminal) error {
	header, end, err := verifyFile(ctx, path)
	if err != nil {
		return err
	}
	kind, chain := "a whole backup", ""
	if header.Since != "" {
		kind = "a backup that goes on from another one"
		chain = " That one was not checked before it; to restore it, all from the whole one on are needed."
		if before, ok := checked[header.Since]; ok {
			chain = " That one is " + before + "."
		}
	}
	if header.Next != "" {
		checked[header.Next] = path
	}
	t.say("%s is %s of %s, as it was written: %d keys, %d with values.%s Restore it to check what is in it.", path, kind,
		header.Created.Format("2006-01-02 15:04:05 MST"), end.Keys, end.Values, chain)
	return nil
}

// checkEvent is what the process that reads a store tells the one that asked, a line each.
type checkEvent struct {
	Table    string                 `json:"table,omitempty"` // that is damaged
	Why      string                 `json:"why,omitempty"`
	Progress uint64                 `json:"progress,omitempty"`
	Report   *syncstore.CheckReport `json:"report,omitempty"`
	Error    string                 `json:"error,omitempty"`
	// Refused: it is not known whether the store is damaged, because of Error.
	Refused bool `json:"refused,omitempty"`
}

// checkFolder has another process read a copy of the store: Badger can take its process down with
// it when a table is damaged.
func checkFolder(ctx context.Context, fl caddycmd.Flags, path string, t *terminal) (err error) {
	if err := existingFolder(path); err != nil {
		return err
	}
	copied, remove, err := badger.Copy(path)
	if err != nil {
		return notRunning(err, "make a backup, restore it, and check that")
	}
	defer func() { err = errors.Join(err, remove()) }()
	first := &checkRun{t: t}
	err = first.run(ctx, fl, copied, false)
	for _, table := range first.tables {
		t.say("damaged: %s", table)
	}
	switch {
	case err != nil && len(first.tables) > 0:
		return fmt.Errorf("%w; reading the rest: %w", errFoundDamage, err)
	case err != nil:
		return err
	}
	if first.report != nil {
		tellReport(t, *first.report)
		if first.report.Found == 0 && len(first.tables) == 0 {
			t.say("%s is sound: %d keys were read.", path, first.report.Keys)
			return nil
		}
		return errFoundDamage
	}
	t.say("damaged: the store cannot be opened: %s", first.failure)
	// Without looking at checksums Badger opens some of what is damaged.
	second := &checkRun{t: t}
	if err := second.run(ctx, fl, copied, true); err != nil {
		return fmt.Errorf("%w; reading it all the same: %w", errFoundDamage, err)
	}
	if second.report == nil {
		t.say("Nothing of it can be read. Restore the newest backup.")
		return errFoundDamage
	}
	t.say("Read all the same, this is what is in it:")
	tellReport(t, *second.report)
	t.say("What is damaged may be wrong in ways that cannot be seen. Restore the newest backup, and take from here only what it has not.")
	return errFoundDamage
}

// checkRun is a process that reads a store.
type checkRun struct {
	t       *terminal
	tables  []string
	report  *syncstore.CheckReport
	failure string // why there is no report
	refused bool
}

func (c *checkRun) run(ctx context.Context, fl caddycmd.Flags, path string, lenient bool) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	args := []string{"sync", "check", "--in-this-process", path}
	if lenient {
		args = append(args, "--lenient")
	}
	if key := fl.String("key-file"); key != "" {
		args = append(args, "--key-file", key)
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // it is this program
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting the check: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the check: %w", err)
	}
	c.follow(out)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.refused:
		return errors.New(c.failure)
	}
	if c.report == nil && c.failure == "" {
		if c.failure, c.refused = checkCrash(err, stderr.String()); c.refused {
			return errors.New(c.failure)
		}
	}
	return nil
}

func (c *checkRun) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var event checkEvent
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		switch {
		case event.Table != "":
			c.tables = append(c.tables, event.Table+": "+event.Why)
		case event.Report != nil:
			c.report = event.Report
		case event.Error != "":
			c.failure, c.refused = event.Error, event.Refused
		default:
			c.t.tell("%d keys checked", event.Progress)
		}
	}
}

// panicLine is the line that says why a Go program ended.
func panicLine(stderr string) string {
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "SIG") {
			return strings.TrimSpace(line)
		}
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return lines[0]
}

// checkHere reads a copy of a store in this process and tells the other one.
func checkHere(ctx context.Context, fl caddycmd.Flags, out io.Writer) error {
	encode := json.NewEncoder(out)
	fail := func(err error) error {
		text, refused := checkRefusal(err)
		return errors.Join(err, encode.Encode(checkEvent{Error: text, Refused: refused}))
	}
	path := fl.Arg(0)
	o, err := engineOptions(fl)
	if err != nil {
		return fail(err)
	}
	o.Lenient, o.MinFree = fl.Bool("lenient"), 1
	o.Verify = !o.Lenient
	if o.Verify {
		tables, _, err := badger.CheckTables(path, o.EncryptionKey)
		if err != nil {
			return fail(err)
		}
		for _, table := range tables {
			if ofTheMachine(table.Err) {
				return fail(table.Err)
			}
			if err := encode.Encode(checkEvent{Table: table.File, Why: table.Err.Error()}); err != nil {
				return err
			}
		}
	}
	opened, err := badger.Open(path, o)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, err := syncstore.Check(ctx, opened, syncstore.CheckOptions{Progress: func(keys uint64) {
		if encode.Encode(checkEvent{Progress: keys}) != nil {
			cancel() // nobody is there any more to hear of it
		}
	}})
	if err != nil {
		return fail(err)
	}
	// The store is a copy that is thrown away: it is not closed, which may fail on what is damaged.
	return encode.Encode(checkEvent{Report: &report})
}
