package cblite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Default is the name of the default collection, of the default scope as all here.
const Default = "_default"

// Device is an app with a database of its own, in a process of its own, by one version of Couchbase Lite.
type Device struct {
	Library Library

	tb          testing.TB
	folder      string
	collections []string
	in          io.WriteCloser
	answers     *bufio.Reader
	ended       func() error
}

// Document is a document of a device.
type Document struct {
	Body map[string]any `json:"body"`
	// Size and Sum are of the content of the blob in the member `blob`; -1 if it is not there.
	Size int64  `json:"size"`
	Sum  uint32 `json:"sum"`
}

// Blob is content made of a seed.
type Blob struct {
	Size int `json:"size"`
	Seed int `json:"seed"`
}

// Replication says what to replicate, both ways.
type Replication struct {
	URL         string            `json:"url"`
	Continuous  bool              `json:"continuous"`
	PushOnly    bool              `json:"push_only"`
	Headers     map[string]string `json:"headers"`
	Collections []string          `json:"collections"`
	// Resolver of conflicts is "remote", "local", "merge", or Couchbase Lite's own.
	Resolver string `json:"resolver,omitempty"`
}

// Status of the replication that was started last.
type Status struct {
	State string `json:"state"` // stopped, offline, connecting, idle, busy
	Error *Error `json:"error"`
}

// Error is Couchbase Lite's.
type Error struct {
	Domain  int    `json:"domain"` // 6: WebSocket and HTTP
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%d/%d %s", e.Domain, e.Code, e.Message) }

// New starts a device that has collections besides the default one, and ends it with the test.
func New(tb testing.TB, of Library, collections ...string) *Device {
	tb.Helper()

	d := &Device{tb: tb, folder: tb.TempDir(), collections: collections}
	d.run(of)

	return d
}

// Update ends the app and starts it again, with another version of Couchbase Lite and the database that it has.
func (d *Device) Update(to Library) {
	d.tb.Helper()
	require.NoError(d.tb, d.in.Close())
	require.NoError(d.tb, d.ended())
	d.run(to)
}

func (d *Device) run(of Library) {
	d.tb.Helper()

	cmd := exec.CommandContext(d.tb.Context(), of.driver)
	in, err := cmd.StdinPipe()
	require.NoError(d.tb, err)
	out, err := cmd.StdoutPipe()
	require.NoError(d.tb, err)
	require.NoError(d.tb, cmd.Start())

	d.Library, d.in, d.answers, d.ended = of, in, bufio.NewReader(out), sync.OnceValue(cmd.Wait)
	d.tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = d.ended()
	})

	d.must("open", map[string]any{"folder": d.folder, "collections": d.collections})
}

// call has the driver do something. The answer goes into answer.
func (d *Device) call(op string, fields, answer any) error {
	d.tb.Helper()

	text, err := json.Marshal(fields)
	require.NoError(d.tb, err)

	with := map[string]any{}
	require.NoError(d.tb, json.Unmarshal(text, &with))

	with["op"] = op
	text, err = json.Marshal(with)
	require.NoError(d.tb, err)
	_, err = d.in.Write(append(text, '\n'))
	require.NoError(d.tb, err)

	line, err := d.answers.ReadBytes('\n')
	require.NoError(d.tb, err, "Couchbase Lite %s has ended", d.Library)

	var failed struct {
		Error *Error `json:"error"`
		State string `json:"state"`
	}

	require.NoError(d.tb, json.Unmarshal(line, &failed), "%s", line)

	if failed.Error != nil && failed.State == "" {
		return failed.Error
	}

	if answer != nil {
		require.NoError(d.tb, json.Unmarshal(line, answer), "%s", line)
	}

	return nil
}

func (d *Device) must(op string, fields any) {
	d.tb.Helper()
	require.NoError(d.tb, d.call(op, fields, nil))
}

// Save saves a document, with a blob if there is one.
func (d *Device) Save(collection, id string, body map[string]any, blob *Blob) {
	d.tb.Helper()
	d.must("save", map[string]any{"collection": collection, "id": id, "body": body, "blob": blob})
}

// Delete deletes a document that is there.
func (d *Device) Delete(collection, id string) {
	d.tb.Helper()
	d.must("delete", map[string]any{"collection": collection, "id": id})
}

// All is what a collection has, by ID.
func (d *Device) All(collection string) map[string]Document {
	d.tb.Helper()

	var has struct {
		Documents map[string]Document `json:"documents"`
	}

	require.NoError(d.tb, d.call("all", map[string]any{"collection": collection}, &has))

	return has.Documents
}

// Start begins a replication, in place of one that was stopped.
func (d *Device) Start(r Replication) {
	d.tb.Helper()

	d.must("start", r)
}

// Status is how far the replication is.
func (d *Device) Status() (now Status) {
	d.tb.Helper()
	require.NoError(d.tb, d.call("status", struct{}{}, &now))

	return now
}

// Stop stops the replication.
func (d *Device) Stop() {
	d.tb.Helper()

	// That of before 3 crashes if it is stopped while it connects.
	for d.Library.Before3() && d.Status().State == "connecting" {
		time.Sleep(5 * time.Millisecond)
	}

	d.must("stop", struct{}{})
	d.awaitEnd()
}

// awaitEnd waits until the replication has stopped.
func (d *Device) awaitEnd() (end Status) {
	d.tb.Helper()

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if end = d.Status(); end.State == "stopped" {
			return end
		}

		require.True(d.tb, time.Now().Before(deadline), "Couchbase Lite %s is %s, and does not stop", d.Library, end.State)
	}
}

// Replicate replicates once, and waits for the end.
func (d *Device) Replicate(r Replication) Status {
	d.tb.Helper()
	d.Start(r)

	return d.awaitEnd()
}
