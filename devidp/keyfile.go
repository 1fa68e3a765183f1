package devidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	keyFileName = "keys.json"
	keyFileMode = 0o600
	folderMode  = 0o700
)

// keyFile is the JSON Web Key Set of private keys in a data folder.
type keyFile struct {
	folder string
}

func (f keyFile) path() string {
	return filepath.Join(f.folder, keyFileName)
}

// read returns the keys, nil if the file does not exist yet. A file that others may
// read is closed to them.
func (f keyFile) read() ([]signingKey, error) {
	text, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}

	if err := f.protect(); err != nil {
		return nil, err
	}

	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; deleting it makes new keys, and tokens signed so far stop verifying", f.path(), err)
	}

	return keys, nil
}

func (f keyFile) protect() error {
	if runtime.GOOS == "windows" {
		return nil
	}

	info, err := os.Stat(f.path())
	if err != nil {
		return fmt.Errorf("looking at the key file: %w", err)
	}

	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}

	if err := os.Chmod(f.path(), keyFileMode); err != nil {
		return fmt.Errorf("closing the key file to others: %w", err)
	}

	return nil
}

// create stores keys unless the folder has some by now, and returns the folder's. The
// file appears whole or not at all, whenever the process or the machine stops.
func (f keyFile) create(keys []signingKey) ([]signingKey, error) {
	if err := os.MkdirAll(f.folder, folderMode); err != nil {
		return nil, fmt.Errorf("creating the data folder: %w", err)
	}

	text, err := formatKeys(keys)
	if err != nil {
		return nil, err
	}

	temporary, err := f.writeTemporary(text)
	if err != nil {
		return nil, fmt.Errorf("writing the keys: %w", err)
	}

	defer func() { _ = os.Remove(temporary) }()

	// A link, unlike a rename, does not replace what another process made meanwhile.
	err = os.Link(temporary, f.path())
	if errors.Is(err, fs.ErrExist) {
		return f.read()
	}

	if err != nil { // a file system without links
		err = os.Rename(temporary, f.path())
	}

	if err != nil {
		return nil, fmt.Errorf("naming the key file: %w", err)
	}

	if err := syncFolder(f.folder); err != nil {
		return nil, err
	}

	return keys, nil
}

// replace stores keys in the place of those that are there; the file is never half
// written.
func (f keyFile) replace(keys []signingKey) error {
	text, err := formatKeys(keys)
	if err != nil {
		return err
	}

	temporary, err := f.writeTemporary(text)
	if err != nil {
		return fmt.Errorf("writing the keys: %w", err)
	}

	if err := os.Rename(temporary, f.path()); err != nil {
		return errors.Join(fmt.Errorf("replacing the key file: %w", err), os.Remove(temporary))
	}

	return syncFolder(f.folder)
}

// writeTemporary writes and syncs a file beside the key file (mode 0600, as
// os.CreateTemp has it) and returns its path.
func (f keyFile) writeTemporary(text []byte) (_ string, err error) {
	file, err := os.CreateTemp(f.folder, keyFileName+".*.tmp")
	if err != nil {
		return "", err
	}

	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()

	if _, err := file.Write(text); err != nil {
		return "", err
	}

	return file.Name(), file.Sync()
}

func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}

	dir, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}

	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("syncing the data folder: %w", err)
	}

	return nil
}

func formatKeys(keys []signingKey) ([]byte, error) {
	set := jose.JSONWebKeySet{}
	for _, key := range keys {
		set.Keys = append(set.Keys, key.jwk)
	}

	text, err := json.MarshalIndent(set, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encoding the keys: %w", err)
	}

	return append(text, '\n'), nil
}

// parseKeys reads a key set with exactly one private key for each algorithm. Its errors
// do not quote the file: it is secret.
func parseKeys(text []byte) ([]signingKey, error) {
	var set jose.JSONWebKeySet
	if json.Unmarshal(text, &set) != nil {
		return nil, fmt.Errorf("%w: it is not a JSON Web Key Set", ErrDamagedKeys)
	}

	keys := make([]signingKey, 0, len(algorithms()))

	for _, algorithm := range algorithms() {
		for _, jwk := range set.Keys {
			if jwk.Algorithm == string(algorithm) && !jwk.IsPublic() && jwk.Valid() && jwk.KeyID != "" {
				keys = append(keys, signingKey{jwk})
			}
		}
	}

	if len(keys) != len(algorithms()) || len(set.Keys) != len(keys) {
		return nil, fmt.Errorf("%w: it must have one private key for each of RS256, ES256 and EdDSA", ErrDamagedKeys)
	}

	for i, algorithm := range algorithms() {
		if keys[i].SignatureAlgorithm() != algorithm {
			return nil, fmt.Errorf("%w: it has no key for %s", ErrDamagedKeys, algorithm)
		}
	}

	return keys, nil
}

// canonicalFolder is the one name of a folder that need not exist yet: absolute, with
// the links of the part that exists resolved.
func canonicalFolder(folder string) (string, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("resolving the data folder: %w", err)
	}

	missing := ""

	for existing := absolute; ; existing = filepath.Dir(existing) {
		resolved, err := filepath.EvalSymlinks(existing)
		if err == nil {
			return filepath.Join(resolved, missing), nil
		}

		if !errors.Is(err, fs.ErrNotExist) || existing == filepath.Dir(existing) {
			return "", fmt.Errorf("resolving the data folder: %w", err)
		}

		missing = filepath.Join(filepath.Base(existing), missing)
	}
}
