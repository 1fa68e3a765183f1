package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Script is a Node program in test/clients, or at any absolute path.
type Script struct {
	Path string
	Args []string
	Env  map[string]string
	// Dir is the working directory. Default: test/clients.
	Dir string
}

// Event is a line of JSON that a script wrote to its standard output (lib/talk.mjs):
// {"event":"name", …}.
type Event struct {
	Name string
	Data json.RawMessage
}

// Into decodes the event's members.
func (e Event) Into(to any) error {
	if err := json.Unmarshal(e.Data, to); err != nil {
		return fmt.Errorf("reading event %s: %w", e.Name, err)
	}

	return nil
}

// Node is a running script.
type Node struct {
	process *process
	stdin   io.WriteCloser
	script  string

	mu     sync.Mutex
	events []Event
	output bytes.Buffer // both streams, for a failure's report
	change chan struct{}
}

// Clients is the folder of the Node project test/clients; its packages are installed by
// `npm ci` if they are missing. ErrNoTool when node or npm is.
func Clients(ctx context.Context) (string, error) { return nodeProject(ctx, "clients") }

// PouchDBServer is the program of test/pouchdb-server, likewise.
func PouchDBServer(ctx context.Context) (string, error) {
	dir, err := nodeProject(ctx, "pouchdb-server")

	return filepath.Join(dir, "node_modules", "pouchdb-server", "bin", "pouchdb-server"), err
}

func nodeProject(ctx context.Context, name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}

	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("running JavaScript clients: %w: %s", ErrNoTool, tool)
		}
	}

	dir := filepath.Join(root, "test", name)

	// npm writes this file last.
	installed := filepath.Join(dir, "node_modules", ".package-lock.json")
	if newer(installed, filepath.Join(dir, "package-lock.json")) {
		return dir, nil
	}

	if err := os.MkdirAll(filepath.Join(root, "bin", "harness"), 0o755); err != nil {
		return "", fmt.Errorf("installing the clients' packages: %w", err)
	}

	unlock, err := lockFile(filepath.Join(root, "bin", "harness", "npm.lock"))
	if err != nil {
		return "", fmt.Errorf("installing the clients' packages: %w", err)
	}
	defer unlock()

	if newer(installed, filepath.Join(dir, "package-lock.json")) {
		return dir, nil // another process was first
	}

	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = dir

	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in %s: %w\n%s", dir, err, output)
	}

	return dir, nil
}

func newer(path, than string) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}

	b, err := os.Stat(than)

	return err == nil && !a.ModTime().Before(b.ModTime())
}

// StartScript starts a script. The caller ends it with Wait or Close.
func StartScript(ctx context.Context, s Script) (*Node, error) {
	clients, err := Clients(ctx)
	if err != nil {
		return nil, err
	}

	path, dir := s.Path, s.Dir
	if !filepath.IsAbs(path) {
		path = filepath.Join(clients, path)
	}

	if dir == "" {
		dir = clients
	}

	// panva's provider and undici write warnings that are no news here.
	cmd := exec.Command("node", append([]string{"--no-warnings", path}, s.Args...)...) // ended by Close, not by a context
	cmd.Dir = dir
	cmd.Env = os.Environ()

	for name, value := range s.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}

	n := &Node{script: filepath.Base(path), change: make(chan struct{})}
	if n.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", n.script, err)
	}

	cmd.Stdout = &lineWriter{line: n.line}
	cmd.Stderr = &lineWriter{line: n.keep}

	if n.process, err = startProcess(cmd); err != nil {
		return nil, err
	}

	return n, nil
}

// RunScript runs a script to its end and returns its events.
func RunScript(ctx context.Context, s Script) ([]Event, error) {
	n, err := StartScript(ctx, s)
	if err != nil {
		return nil, err
	}

	err = n.Wait(ctx)

	return n.Events(), err
}

// line takes a line of standard output.
func (n *Node) line(text []byte) {
	n.keep(text)

	var head struct {
		Event string `json:"event"`
	}

	if err := json.Unmarshal(text, &head); err != nil || head.Event == "" {
		return
	}

	n.mu.Lock()
	defer n.mu.Unlock()

	n.events = append(n.events, Event{Name: head.Event, Data: bytes.Clone(text)})
	close(n.change)
	n.change = make(chan struct{})
}

func (n *Node) keep(text []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.output.Write(text)
	n.output.WriteByte('\n')
}

// Events are those seen so far.
func (n *Node) Events() []Event {
	n.mu.Lock()
	defer n.mu.Unlock()

	return append([]Event{}, n.events...)
}

// Output is everything the script wrote.
func (n *Node) Output() string {
	n.mu.Lock()
	defer n.mu.Unlock()

	return n.output.String()
}

// Await waits for the first event of a name, seen already or still to come.
func (n *Node) Await(ctx context.Context, name string) (Event, error) {
	for {
		event, ok, change := n.find(name)
		if ok {
			return event, nil
		}

		select {
		case <-change:
		case <-n.process.done:
			if event, ok, _ := n.find(name); ok {
				return event, nil
			}

			return Event{}, fmt.Errorf("waiting for %s of %s: %w\n%s", name, n.script, ErrExited, n.Output())
		case <-ctx.Done():
			return Event{}, fmt.Errorf("waiting for %s of %s: %w\n%s", name, n.script, ctx.Err(), n.Output())
		}
	}
}

func (n *Node) find(name string) (Event, bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()

	for _, event := range n.events {
		if event.Name == name {
			return event, true, nil
		}
	}

	return Event{}, false, n.change
}

// Tell writes a command for the script's heard(name).
func (n *Node) Tell(command string) error {
	if _, err := io.WriteString(n.stdin, command+"\n"); err != nil {
		return fmt.Errorf("telling %s: %w", n.script, err)
	}

	return nil
}

// Wait waits for the script's end; the error of one that failed has its output.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-n.process.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("running %s: %w\n%s", n.script, ctx.Err(), n.Output()), n.Close())
	}

	if n.process.err != nil {
		return fmt.Errorf("running %s: %w\n%s", n.script, n.process.err, n.Output())
	}

	return nil
}

// Close ends the script.
func (n *Node) Close() error {
	err := n.process.end(syscall.SIGTERM, 3*time.Second)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}

	return err
}

// lineWriter hands on whole lines. exec copies each stream from one goroutine.
type lineWriter struct {
	line func([]byte)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)

	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			break
		}

		w.line(line)
		w.rest = append([]byte{}, rest...)
	}

	return len(p), nil
}

var _ io.Writer = (*lineWriter)(nil)
