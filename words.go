package caddysync

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/dustin/go-humanize"
)

// words reads the subdirectives of a block. Each may stand there once, and unknown ones
// are errors: an ignored typo could switch a protection off.
type words struct {
	block string // what the block is called in errors
	seen  map[string]bool
}

// parseWord reads the arguments (and the block) of a word; the dispenser stands on it.
type parseWord func(d *caddyfile.Dispenser) error

// parseBlock reads the block that follows on the dispenser's line, if there is one.
// known returns how a word is parsed, nil if it is unknown. Words of many may be repeated.
func parseBlock(d *caddyfile.Dispenser, block string, known func(word string) parseWord, many ...string) error {
	w := words{block: block, seen: make(map[string]bool)}
	repeatable := make(map[string]bool, len(many))
	for _, word := range many {
		repeatable[word] = true
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		parse := known(word)
		if parse == nil {
			return d.Errf("unrecognized %s subdirective %q", w.block, word)
		}
		if w.seen[word] && !repeatable[word] {
			return d.Errf("%s subdirective %q is repeated", w.block, word)
		}
		w.seen[word] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// noBlock refuses a block where a word takes none.
func noBlock(d *caddyfile.Dispenser, word string) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		return d.Errf("%s takes no block, but there is %q in one", word, d.Val())
	}
	return nil
}

// text reads one argument.
func text(to *string) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if !d.AllArgs(to) {
			return d.ArgErr()
		}
		if *to == "" {
			return d.Errf("%s is empty", word)
		}
		return noBlock(d, word)
	}
}

// list reads one or more arguments.
func list(to *[]string) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		*to = append(*to, args...)
		return noBlock(d, word)
	}
}

// flag reads a word without arguments, which turns something on.
func flag(to *bool) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if d.NextArg() {
			return d.ArgErr()
		}
		*to = true
		return noBlock(d, word)
	}
}

// onOff reads on or off.
func onOff(to **bool) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		var value string
		if err := text(&value)(d); err != nil {
			return err
		}
		if value != "on" && value != "off" {
			return d.Errf("%s is on or off", word)
		}
		on := value == "on"
		*to = &on
		return nil
	}
}

// duration reads a duration such as 30s or 7d, not negative.
func duration(to *caddy.Duration) parseWord {
	return func(d *caddyfile.Dispenser) error {
		var value string
		if err := text(&value)(d); err != nil {
			return err
		}
		parsed, err := caddy.ParseDuration(value)
		if err != nil {
			return d.Errf("%q is not a duration like 30s, 24h or 7d", value)
		}
		if parsed < 0 {
			return d.Errf("duration %s is negative", value)
		}
		*to = caddy.Duration(parsed)
		return nil
	}
}

// longDuration is duration, of at least a second.
func longDuration(to *caddy.Duration) parseWord { return durationFrom(time.Second, to) }

// durationFrom is duration, of at least that long.
func durationFrom(least time.Duration, to *caddy.Duration) parseWord {
	return func(d *caddyfile.Dispenser) error {
		if err := duration(to)(d); err != nil {
			return err
		}
		if time.Duration(*to) < least {
			return d.Errf("duration %s is under %s", time.Duration(*to), least)
		}
		return nil
	}
}

// atLeast refuses a duration that is shorter than makes sense, as one is that stands in the JSON
// configuration without a unit: Caddy takes it for nanoseconds, so that 30 days in seconds would be three
// milliseconds. 0 is the default.
func atLeast(option string, least time.Duration, d caddy.Duration) error {
	if d == 0 || time.Duration(d) >= least {
		return nil
	}
	return fmt.Errorf("%s %s is under %s (in JSON a number is in nanoseconds: write a text like \"24h\")", option, time.Duration(d), least)
}

// size reads a size such as 256MiB.
func size(to *int64) parseWord {
	return func(d *caddyfile.Dispenser) error {
		var value string
		if err := text(&value)(d); err != nil {
			return err
		}
		parsed, err := humanize.ParseBytes(value)
		if err != nil || parsed > math.MaxInt64 {
			return d.Errf("%q is not a size like 256MiB or 1GB", value)
		}
		if parsed == 0 {
			return d.Errf("a size of 0 is not possible")
		}
		*to = int64(parsed)
		return nil
	}
}

// number reads a positive number.
func number(to *int) parseWord {
	return func(d *caddyfile.Dispenser) error {
		var value string
		if err := text(&value)(d); err != nil {
			return err
		}
		parsed, err := strconv.Atoi(value)
		if err != nil || parsed <= 0 {
			return d.Errf("%q is not a positive number", value)
		}
		*to = parsed
		return nil
	}
}

// numberOrOff reads a positive number, or off for no limit.
func numberOrOff(to *int) parseWord {
	return func(d *caddyfile.Dispenser) error {
		if d.CountRemainingArgs() == 1 && d.NextArg() {
			if d.Val() == "off" {
				*to = rest.Unlimited
				return noBlock(d, "off")
			}
			d.Prev()
		}
		return number(to)(d)
	}
}
