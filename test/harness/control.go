package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// Reload sends the Caddyfile last written to the running server; a refusal is ErrRefused
// with Caddy's text.
func (s *Server) Reload(ctx context.Context) error { return s.Load(ctx, s.Caddyfile()) }

// Load sends any Caddyfile's text to the running server, as `caddy reload` does.
func (s *Server) Load(ctx context.Context, caddyfile string) error {
	_, err := s.post(ctx, s.ControlURL+"/load", "text/caddyfile", caddyfile)

	return err
}

// Validate runs `caddy validate` on the Caddyfile last written, in a process of its own,
// and returns what it printed.
func (s *Server) Validate(ctx context.Context) (string, error) {
	return s.Command(ctx, "validate", "--config", s.caddyfilePath(), "--adapter", "caddyfile")
}

// Command runs another command of the binary beside the server and returns what it printed.
func (s *Server) Command(ctx context.Context, args ...string) (string, error) {
	cmd := s.command(args...)

	var output strings.Builder

	cmd.Stdout, cmd.Stderr = &output, &output

	p, err := startProcess(cmd)
	if err != nil {
		return "", err
	}

	select {
	case <-p.done:
	case <-ctx.Done():
		_ = p.end(9, 0)

		return output.String(), fmt.Errorf("running %s: %w", args[0], ctx.Err())
	}

	if p.err != nil {
		return output.String(), fmt.Errorf("running %s: %w\n%s", args[0], p.err, output.String())
	}

	return output.String(), nil
}

// Token is an ID token of a user of the development provider, from <issuer>/dev/token.
// form may add its other fields: ttl, claims, alg, client_id.
func (s *Server) Token(ctx context.Context, user string, form url.Values) (string, error) {
	fields := url.Values{"user": {user}}
	maps.Copy(fields, form)

	body, err := s.post(ctx, s.Issuer+"/dev/token", "application/x-www-form-urlencoded", fields.Encode())
	if err != nil {
		return "", fmt.Errorf("getting a token: %w", err)
	}

	var answer struct {
		IDToken string `json:"id_token"`
	}

	if err := json.Unmarshal(body, &answer); err != nil || answer.IDToken == "" {
		return "", fmt.Errorf("getting a token: the answer has no id_token: %w", ErrRefused)
	}

	return answer.IDToken, nil
}

// CreateDatabase makes a database on the administrator's site.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	_, err := s.do(ctx, http.MethodPut, s.AdminURL+"/"+url.PathEscape(name), "application/json", "")

	return err
}

func (s *Server) post(ctx context.Context, to, contentType, body string) ([]byte, error) {
	return s.do(ctx, http.MethodPost, to, contentType, body)
}

func (s *Server) do(ctx context.Context, method, to, contentType, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, to, err)
	}

	req.Header.Set("Content-Type", contentType)

	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	defer func() { _ = res.Body.Close() }()

	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}

	if res.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: %w: %s: %s", method, to, ErrRefused, res.Status, answer)
	}

	return answer, nil
}
