package caddysync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
)

// errNotChecked is why a check says nothing about the store: it is the machine that failed. Whoever is told of damage
// puts an older backup in the store's place.
var errNotChecked = errors.New("it is not known whether the store is damaged")

// ofTheMachine reports whether reading a store failed at something that has nothing to do with what is in it. Badger
// does not wrap all of its errors.
func ofTheMachine(err error) bool {
	if errors.Is(err, context.Canceled) {
		return true
	}
	return slices.ContainsFunc([]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE}, func(e syscall.Errno) bool {
		return errors.Is(err, e) || strings.Contains(err.Error(), e.Error())
	})
}

// checkRefusal is what a check says that it could not make, if err is why; it reports whether that is so.
func checkRefusal(err error) (text string, refused bool) {
	switch {
	case errors.Is(err, badger.ErrKey):
		return badger.ErrKey.Error() + " (--key-file names the file that has it)", true
	case ofTheMachine(err):
		return fmt.Errorf("%w: %w", errNotChecked, err).Error(), true
	}
	return err.Error(), errors.Is(err, syncstore.ErrNewerFormat)
}

// checkCrash says how a process ended that reads a store and had nothing to say of that itself. What is damaged can
// take it down; a lack of memory, or somebody who ends it, says nothing about the store.
func checkCrash(ended error, stderr string) (failure string, refused bool) {
	why := panicLine(stderr)
	if exit, ok := errors.AsType[*exec.ExitError](ended); ok && killed(exit.ProcessState) {
		return fmt.Sprintf("%s: the process that reads it was ended (%v), as the system does where memory is short", errNotChecked, ended), true
	}
	if strings.Contains(why, "out of memory") || strings.Contains(why, "cannot allocate memory") {
		return fmt.Sprintf("%s: %s", errNotChecked, why), true
	}
	return fmt.Sprintf("reading it ended with %v: %s", ended, why), false
}

// killed reports whether a process was ended from outside. A Go program that crashes exits, or with GOTRACEBACK=crash
// aborts.
func killed(p *os.ProcessState) bool {
	status, ok := p.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && !slices.Contains([]syscall.Signal{syscall.SIGABRT, syscall.SIGBUS, syscall.SIGSEGV}, status.Signal())
}
