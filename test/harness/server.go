package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Options say what to start. The zero value is good.
type Options struct {
	Settings Settings
	// Caddyfile replaces the one made from Settings; a template over Place.
	Caddyfile string
	// Dir is the server's folder, kept by Close. Default: a new one, removed by Close.
	Dir string
	// Env is added to the server's environment, as "NAME=value".
	Env []string
	// Wrap is a command put before the binary, such as strace with its flags.
	Wrap []string
	// Race uses the instrumented binary.
	Race bool
	// Ready bounds the wait for the first answer. Default 30 s.
	Ready time.Duration
	// Offline does not start the server: Restart does.
	Offline bool
}

// Server is one caddy-sync process and the folder it works in.
type Server struct {
	Place

	options Options
	binary  string
	ownDir  bool
	client  *http.Client

	mu        sync.Mutex
	process   *process // nil while none runs
	caddyfile string
}

// Start builds the binary if needed, writes the Caddyfile and waits until the site answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	binary, err := Binary(ctx, o.Race)
	if err != nil {
		return nil, err
	}

	// Caddy's admin API begins anew with each configuration, so no connection is kept.
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	s := &Server{options: o, binary: binary, client: client}

	if err := s.settle(); err != nil {
		return nil, errors.Join(err, s.Close())
	}

	if o.Offline {
		return s, nil
	}

	if err := s.run(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, s.LogTail(4000)), s.Close())
	}

	return s, nil
}

// settle finds a folder and ports and writes the Caddyfile.
func (s *Server) settle() error {
	s.Dir = s.options.Dir
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", "caddy-sync-")
		if err != nil {
			return fmt.Errorf("making the server's folder: %w", err)
		}

		s.Dir, s.ownDir = dir, true
	}

	for _, port := range []*int{&s.Port, &s.AdminPort, &s.ControlPort} {
		free, err := FreePort()
		if err != nil {
			return err
		}

		*port = free
	}

	s.URL = fmt.Sprintf("http://localhost:%d", s.Port)
	s.AdminURL = fmt.Sprintf("http://127.0.0.1:%d", s.AdminPort)
	s.ControlURL = fmt.Sprintf("http://localhost:%d", s.ControlPort)
	s.Issuer = s.URL + "/idp"
	s.Store = filepath.Join(s.Dir, "store")

	return s.Rewrite(s.options.Settings)
}

// Rewrite writes the Caddyfile anew; Reload or Restart puts it to use. Options.Caddyfile
// still goes before it.
func (s *Server) Rewrite(settings Settings) error {
	text, err := s.render(settings)
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.caddyfile = text

	if err := os.WriteFile(s.caddyfilePath(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the Caddyfile: %w", err)
	}

	return nil
}

func (s *Server) render(settings Settings) (string, error) {
	if s.options.Caddyfile != "" {
		return s.expand(s.options.Caddyfile)
	}

	return settings.Caddyfile(s.Place)
}

// Caddyfile is the text last written.
func (s *Server) Caddyfile() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.caddyfile
}

func (s *Server) caddyfilePath() string { return filepath.Join(s.Dir, "Caddyfile") }

// run starts the process and waits until it answers.
func (s *Server) run(ctx context.Context) error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the server's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor

	command := s.command("run", "--config", s.caddyfilePath(), "--adapter", "caddyfile")
	command.Stdout, command.Stderr = log, log

	process, err := startProcess(command)
	if err != nil {
		return err
	}

	s.mu.Lock()
	s.process = process
	s.mu.Unlock()

	return s.waitReady(ctx, process)
}

// command is the binary with its environment: nothing is read from or written to the
// developer's own home.
func (s *Server) command(args ...string) *exec.Cmd {
	line := append(append([]string{}, s.options.Wrap...), s.binary)
	line = append(line, args...)

	cmd := exec.Command(line[0], line[1:]...) // ended by Stop and Kill, not by a context
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "HOME="+s.Dir, "XDG_DATA_HOME="+s.Dir+"/data", "XDG_CONFIG_HOME="+s.Dir+"/config")
	cmd.Env = append(cmd.Env, s.options.Env...)

	return cmd
}

func (s *Server) waitReady(ctx context.Context, p *process) error {
	limit := s.options.Ready
	if limit == 0 {
		limit = 30 * time.Second
	}

	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	for {
		if s.answers(ctx) {
			return nil
		}

		pause := time.NewTimer(20 * time.Millisecond)

		select {
		case <-p.done:
			pause.Stop()

			return fmt.Errorf("starting the server: %w: %w", ErrExited, p.err)
		case <-ctx.Done():
			pause.Stop()

			return fmt.Errorf("starting the server: %w: %w", ErrNotReady, ctx.Err())
		case <-pause.C:
		}
	}
}

// answers tells whether the site itself answers; 503 is a server that still opens its store.
func (s *Server) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/", nil)
	if err != nil {
		return false
	}

	res, err := s.client.Do(req)
	if err != nil {
		return false
	}

	_ = res.Body.Close()

	return res.StatusCode < http.StatusInternalServerError
}

// PID is the process's ID (of the wrapper, if there is one); 0 when none runs.
func (s *Server) PID() int {
	if p := s.current(); p != nil {
		return p.cmd.Process.Pid
	}

	return 0
}

// Running tells whether the process lives.
func (s *Server) Running() bool {
	p := s.current()

	return p != nil && !p.ended()
}

// Exited is closed when the process that runs now has ended.
func (s *Server) Exited() <-chan struct{} {
	if p := s.current(); p != nil {
		return p.done
	}

	closed := make(chan struct{})
	close(closed)

	return closed
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.process
}

// Kill ends the server with SIGKILL, as a crash would, and waits for its end.
func (s *Server) Kill() error {
	p := s.current()
	if p == nil {
		return nil
	}

	err := p.end(syscall.SIGKILL, 10*time.Second)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}

	return err
}

// Stop ends the server with SIGTERM and waits up to 30 s for a clean end.
func (s *Server) Stop() error {
	p := s.current()
	if p == nil {
		return nil
	}

	if err := p.end(syscall.SIGTERM, 30*time.Second); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}

	return nil
}

// dumpAndEnd ends a server whose test hangs. It writes where all its goroutines are into the log.
func (s *Server) dumpAndEnd() error {
	p := s.current()
	if p == nil {
		return nil
	}

	return p.end(syscall.SIGABRT, 10*time.Second) // Caddy catches SIGQUIT
}

// Unwrap leaves Options.Wrap out of the next start.
func (s *Server) Unwrap() { s.options.Wrap = nil }

// Restart starts the server again on the same store, ports and Caddyfile, after Kill or
// Stop; a running one is stopped first.
func (s *Server) Restart(ctx context.Context) error {
	if s.Running() {
		if err := s.Stop(); err != nil {
			return err
		}
	}

	return s.run(ctx)
}

// Close ends the server and removes its folder, unless Options.Dir named it.
func (s *Server) Close() error {
	err := s.Kill()

	if s.ownDir {
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}

	return err
}
