package caddysync

import (
	"fmt"
	"regexp"
)

// placeholder is one of Caddy's that somebody may write into a configuration to keep a value out of
// it.
var placeholder = regexp.MustCompile(`\{(env|file)\.[^{}]*\}`)

// checkLiteral refuses placeholders where they are not replaced: what is written there would be
// taken as it is, so that nobody has the role, and nobody the claim's value.
func checkLiteral(option string, texts ...string) error {
	for _, text := range texts {
		if found := placeholder.FindString(text); found != "" {
			return fmt.Errorf("%s: %s is not replaced here: write the value itself or, in a Caddyfile, {$NAME} for a variable of the environment", option, found)
		}
	}
	return nil
}

// checkLiteralClaims is checkLiteral for claims and their values.
func checkLiteralClaims(option string, claims map[string][]string) error {
	for _, claim := range sortedKeys(claims) {
		if err := checkLiteral(option, append([]string{claim}, claims[claim]...)...); err != nil {
			return err
		}
	}
	return nil
}
