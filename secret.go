package caddysync

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// secretPlaceholder is all that a secret's text may be: Caddy keeps these two kinds
// unexpanded in GET /config/ and autosave.json. {$NAME} is expanded while the Caddyfile
// is read, so that what arrives here is the secret itself.
var secretPlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// checkSecret refuses secrets that stand in the configuration (DECISIONS 15). The error
// does not repeat the text.
func checkSecret(option, text string) error {
	if text != "" && !secretPlaceholder.MatchString(text) {
		return fmt.Errorf("%s: %w", option, ErrLiteralSecret)
	}
	return nil
}

// readSecret returns what the placeholder stands for, without the space around it: a file ends with a line break. An
// unset variable, a missing file and one of space only are errors: they would be an empty secret otherwise.
func readSecret(option, text string) (string, error) {
	if err := checkSecret(option, text); err != nil || text == "" {
		return "", err
	}
	secret, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: reading %s: %w", option, text, err)
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", fmt.Errorf("%s: %s is empty", option, text)
	}
	return secret, nil
}
