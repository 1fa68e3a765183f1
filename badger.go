package caddysync

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/dustin/go-humanize"
	"go.uber.org/zap"
)

// Badger keeps documents in files in a folder of this machine. One process may use it at a
// time; it does not work on network file systems.
type Badger struct {
	// The folder. It is made if it is missing. Required.
	Path string `json:"path,omitempty"`

	// How much memory the store may use, in bytes: 64 MiB at least. Default: 128 MiB.
	MemoryBytes int64 `json:"memory,omitempty"`

	// How much space must be free on the disk, in bytes. Below it writes are refused with
	// 507 and reads go on. Default: 512 MiB.
	MinFree int64 `json:"min_free,omitempty"`

	// Whether a write is on disk before it is acknowledged. Without it a power cut loses
	// the last writes. Default: true.
	SyncWrites *bool `json:"sync_writes,omitempty"`

	// The key that files are encrypted with: 16, 24 or 32 bytes in base64, as {env.NAME}
	// or {file.PATH}. Whoever loses it loses the store. Default: not encrypted.
	EncryptionKey string `json:"encryption_key,omitempty"`

	// How often space of deleted attachments is looked for. Default: 10m.
	GC caddy.Duration `json:"gc,omitempty"`

	key    string // the canonical path
	secret []byte
}

// CaddyModule returns the Caddy module information.
func (Badger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "sync.stores.badger", New: func() caddy.Module { return new(Badger) }}
}

// Provision makes the folder and finds its canonical path, by which configurations share
// one open store.
func (b *Badger) Provision(ctx caddy.Context) error {
	warnAddresses(ctx.Logger(), bits.UintSize)

	path, err := caddy.NewReplacer().ReplaceOrErr(b.Path, true, true)
	if err != nil {
		return fmt.Errorf("path of the store: %w", err)
	}
	if path == "" {
		return errors.New("the store has no path: write `store badger <path>`")
	}
	if b.secret, err = b.readKey(); err != nil {
		return err
	}
	if b.key, err = canonicalFolder(path); err != nil {
		return err
	}
	return nil
}

// warnAddresses says so if the system has so few addresses that the store fills them: its files are mapped into memory
// (docs/operating.md, Sizing).
func warnAddresses(logger *zap.Logger, uintSize int) {
	if uintSize < 64 {
		logger.Warn("this is a 32-bit system: a store that grows to some 2.5 GB cannot be opened here; use a 64-bit one")
	}
}

// canonicalFolder makes a folder and resolves its path: one that does not exist cannot be
// resolved, and would be another store after somebody put a symbolic link on the way.
func canonicalFolder(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the store's folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("making the store's folder: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("resolving the store's folder: %w", err)
	}
	return path, nil
}

// readKey returns the encryption key, or nil.
func (b *Badger) readKey() ([]byte, error) {
	text, err := readSecret("encryption_key", b.EncryptionKey)
	if err != nil || text == "" {
		return nil, err
	}
	return decodeKey(text)
}

// decodeKey reads an encryption key. Its errors do not repeat the text.
func decodeKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("encryption_key is not base64") // err would quote from it
	}
	switch len(key) {
	case 16, 24, 32:
		return key, nil
	}
	return nil, fmt.Errorf("encryption_key has %d bytes: it must have 16, 24 or 32", len(key))
}

// Validate refuses sizes that make no sense.
func (b *Badger) Validate() error {
	switch {
	case b.MemoryBytes != 0 && b.MemoryBytes < badger.MinMemory:
		return fmt.Errorf("memory of the store is under %s", humanize.IBytes(badger.MinMemory))
	case b.MinFree < 0:
		return errors.New("min_free of the store is negative")
	}
	return atLeast("gc of the store", time.Second, b.GC)
}

// Key implements Backend.
func (b *Badger) Key() string { return b.key }

// Memory implements Backend.
func (b *Badger) Memory() int64 {
	if b.MemoryBytes == 0 {
		return badger.DefaultMemory
	}
	return b.MemoryBytes
}

func (b *Badger) minFree() int64 {
	if b.MinFree == 0 {
		return badger.DefaultMinFree
	}
	return b.MinFree
}

func (b *Badger) gc() time.Duration {
	if b.GC == 0 {
		return badger.DefaultGCInterval
	}
	return time.Duration(b.GC)
}

func (b *Badger) syncWrites() bool { return b.SyncWrites == nil || *b.SyncWrites }

// Open implements Backend.
func (b *Badger) Open(_ context.Context, logger *zap.Logger) (engine.Engine, error) {
	if !b.syncWrites() {
		logger.Warn("sync_writes is off: a power cut loses the last acknowledged writes", zap.String("store", b.key))
	}
	opened, err := badger.Open(b.key, badger.Options{
		Memory: b.Memory(), MinFree: b.minFree(), NoSync: !b.syncWrites(),
		EncryptionKey: b.secret, GCInterval: b.gc(), Logger: logger.Named("badger"),
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Reconfigure implements Backend. All of Badger's options are taken when it is opened.
func (b *Badger) Reconfigure(opened Backend) error {
	o, ok := opened.(*Badger)
	if !ok {
		return fmt.Errorf("%s is open as %T: %w", b.key, opened, ErrRestartNeeded)
	}
	for _, option := range []struct {
		name string
		same bool
	}{
		{"memory", b.Memory() == o.Memory()},
		{"min_free", b.minFree() == o.minFree()},
		{"sync_writes", b.syncWrites() == o.syncWrites()},
		{"encryption_key", string(b.secret) == string(o.secret)},
		{"gc", b.gc() == o.gc()},
	} {
		if !option.same {
			return fmt.Errorf("%s: %w", option.name, ErrRestartNeeded)
		}
	}
	return nil
}

// UnmarshalCaddyfile reads the store:
//
//	store badger <path> {
//	    memory <size>
//	    min_free <size>
//	    sync_writes on|off
//	    encryption_key <placeholder>
//	    gc <interval>
//	}
func (b *Badger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // badger
	if !d.AllArgs(&b.Path) || b.Path == "" {
		return d.ArgErr()
	}
	return parseBlock(d, "store badger", func(word string) parseWord {
		switch word {
		case "memory":
			return size(&b.MemoryBytes)
		case "min_free":
			return size(&b.MinFree)
		case "sync_writes":
			return onOff(&b.SyncWrites)
		case "encryption_key":
			return text(&b.EncryptionKey)
		case "gc":
			return longDuration(&b.GC)
		}
		return nil
	})
}
