package syncstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
)

// framed makes a backup of frames, each a kind, a length of two bytes and what it holds, with the
// checksums that are right for them: a file that is damaged by chance would never get that far.
func framed(frames []byte) []byte {
	var out bytes.Buffer
	file := &backupWriter{out: &out, hash: sha256.New()}
	_ = file.write([]byte(backupMagic))
	for len(frames) >= 3 {
		size := min(int(binary.BigEndian.Uint16(frames[1:])), len(frames)-3)
		_ = file.writeFrame(frames[0], frames[3:3+size])
		frames = frames[3+size:]
	}
	_ = file.write(file.hash.Sum(nil))
	return out.Bytes()
}

// unframed is what framed makes the backup of.
func unframed(tb testing.TB, backup []byte) []byte {
	tb.Helper()
	var frames []byte
	rest := backup[len(backupMagic) : len(backup)-32]
	for len(rest) > 0 {
		size := binary.BigEndian.Uint32(rest[1:])
		require.Equal(tb, crc32.Checksum(rest[:5+size], castagnoli), binary.BigEndian.Uint32(rest[5+size:]))
		frames = binary.BigEndian.AppendUint16(append(frames, rest[0]), uint16(size))
		frames = append(frames, rest[5:5+size]...)
		rest = rest[9+size:]
	}
	return frames
}

// FuzzBackups: a file that is no backup, or not a whole one, is an error and never a panic, also
// if all checksums in it are right; and what VerifyBackup takes for whole has what it says.
func FuzzBackups(f *testing.F) {
	var nothing bytes.Buffer
	file, err := newBackupWriter(&nothing, BackupHeader{Format: backupFormat, StoreFormat: storeFormat})
	require.NoError(f, err)
	require.NoError(f, file.close())
	f.Add(nothing.Bytes(), false) // whole, but of no store
	for _, since := range []string{"", "00112233445566778899aabbccddeeff"} {
		var out bytes.Buffer
		file, err := newBackupWriter(&out, BackupHeader{Format: backupFormat, StoreFormat: storeFormat, Since: since})
		require.NoError(f, err)
		for _, key := range []string{"a", "ab", "abc", "b"} {
			var value []byte
			if since == "" || key == "ab" {
				value = []byte("value of " + key)
			}
			require.NoError(f, file.add([]byte(key), value))
		}
		require.NoError(f, file.close())
		require.Equal(f, out.Bytes(), framed(unframed(f, out.Bytes())))
		f.Add(out.Bytes(), false)
		f.Add(unframed(f, out.Bytes()), true)
	}
	f.Fuzz(func(t *testing.T, file []byte, frames bool) {
		if frames {
			file = framed(file)
		}
		header, end, err := VerifyBackup(bytes.NewReader(file))
		eng := memory.New()
		report, restored := Restore(t.Context(), eng, []BackupSource{{Name: "fuzzed", Reader: bytes.NewReader(file)}}, RestoreOptions{})
		if err != nil {
			require.Error(t, restored)
			return
		}
		_, _, cut := VerifyBackup(io.LimitReader(bytes.NewReader(file), int64(len(file)-1)))
		require.ErrorIs(t, cut, ErrBadBackup)
		if restored == nil {
			require.Empty(t, header.Since)
			require.Equal(t, end.Keys, report.Keys)
			require.NoError(t, eng.View(t.Context(), func(r engine.Reader) error {
				_, err := readFormat(r)
				return err
			}))
		}
	})
}
