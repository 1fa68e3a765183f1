package badger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4/skl"
	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func TestASecondOpenOfADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first := openAt(t, path)
	_, err := Open(path, small(t))
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, path)
	require.NoError(t, first.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte("a"), nil) }))
	require.NoError(t, first.Close())
	require.NoError(t, openAt(t, path).Close())
}

func TestOpenMakesTheDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "not", "there")
	require.NoError(t, openAt(t, path).Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others may look into the store")
}

func TestOpenRefusesOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"too little memory": {Memory: MinMemory - 1},
		"negative memory":   {Memory: -1},
		"negative limit":    {MinFree: -1},
		"odd key":           {EncryptionKey: []byte("secret key")},
	} {
		_, err := Open(t.TempDir(), o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	keys := [][]byte{[]byte("0123456789abcdef"), []byte("another key 1234"), nil}
	o := small(t)
	o.EncryptionKey = keys[0]
	e, err := Open(path, o)
	require.NoError(t, err)
	require.NoError(t, e.Close())
	for _, key := range keys[1:] {
		o.EncryptionKey = key
		_, err := Open(path, o)
		require.ErrorIs(t, err, ErrKey)
	}
	o.EncryptionKey = keys[0]
	e, err = Open(path, o)
	require.NoError(t, err)
	require.NoError(t, e.Close())
}

func TestEncryptedStoreHidesItsContent(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	o := small(t)
	o.EncryptionKey = []byte("0123456789abcdef")
	e, err := Open(path, o)
	require.NoError(t, err)
	secret := "something that must not be read from the disk"
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		return tx.Put([]byte("key: "+secret), []byte("value: "+secret))
	}))
	require.NoError(t, e.Close())
	files, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(path, f.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(text), secret, f.Name())
	}
}

func TestASmallMemoryAdmitsTheLargestTransaction(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{MinMemory, DefaultMemory, 1 << 30} {
		o, err := Options{Memory: memory}.withDefaults()
		require.NoError(t, err)
		table := o.badgerOptions("", nil).MemTableSize
		require.GreaterOrEqual(t, table*15/100, int64(MaxTxnSize))
		require.GreaterOrEqual(t, table*15/100/int64(skl.MaxNodeSize), int64(MaxTxnKeys))
	}
}
