package caddysync

import (
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
)

// accessLogger is the name of the logger of access logs without a name of their own.
const accessLogger = "http.log.access"

// secretParameters are the query parameters that may hold a secret, access_token of who follows
// RFC 6750, section 2.3, though it is refused; secretHeaders are the
// fields of a log entry that may (DECISIONS 15), secretURLs those that have an address: a
// sign-out sends the browser on with its ID token. Caddy copies the request for its access
// log before this module sees it, so only a filter keeps them out of the log.
var (
	secretParameters = []string{"code", "state", "refresh_token", "id_token_hint", "id_token", "access_token", "token"}
	secretHeaders    = []string{"request>headers>Sec-Websocket-Protocol"}
	secretURLs       = []string{"request>uri", "request>headers>Referer", "resp_headers>Location"}
)

// accessLog is what has to be known about one of Caddy's logs.
type accessLog struct {
	include, exclude []string
	redacts          bool
}

// accessLogs reads the logs of a configuration. Caddy shows them to no module, so they
// are read by reflection; nothing but a warning hangs on it. If Caddy changes its fields
// there are none, and a test fails.
func accessLogs(ctx caddy.Context) []accessLog {
	config := indirect(reflect.ValueOf(ctx).FieldByName("cfg"))
	logs := member(indirect(member(config, "Logging")), "Logs")
	if logs.Kind() != reflect.Map {
		return nil
	}
	var list []accessLog
	for entries := logs.MapRange(); entries.Next(); {
		log := indirect(entries.Value())
		list = append(list, accessLog{
			include: texts(member(log, "Include")),
			exclude: texts(member(log, "Exclude")),
			redacts: redacts(indirect(member(log, "encoder"))),
		})
	}
	return list
}

// redacts reports whether an encoder is a filter that leaves out what may be secret.
func redacts(encoder reflect.Value) bool {
	if !encoder.IsValid() || encoder.Type() != reflect.TypeFor[logging.FilterEncoder]() {
		return false
	}
	filters := make(map[string]reflect.Value)
	for fields := member(encoder, "Fields").MapRange(); fields.Next(); {
		filters[fields.Key().String()] = indirect(fields.Value())
	}
	// whole reports whether a field is left out with what it is in.
	whole := func(field string) bool {
		for within := range filters {
			if strings.HasPrefix(field, within+">") {
				return true
			}
		}
		return false
	}
	for _, header := range secretHeaders {
		if _, filtered := filters[header]; !filtered && !whole(header) {
			return false
		}
	}
	for _, field := range secretURLs {
		if filter, filtered := filters[field]; filtered && !redactsQuery(filter) || !filtered && !whole(field) {
			return false
		}
	}
	return true
}

// redactsQuery reports whether a filter of an address leaves out what may be secret in it.
func redactsQuery(filter reflect.Value) bool {
	if filter.Type() != reflect.TypeFor[logging.QueryFilter]() {
		return true // deleted, hashed or replaced: the operator's choice
	}
	var parameters []string
	actions := member(filter, "Actions")
	for i := range actions.Len() {
		parameters = append(parameters, member(actions.Index(i), "Parameter").String())
	}
	return !slices.ContainsFunc(secretParameters, func(p string) bool { return !slices.Contains(parameters, p) })
}

// indirect follows pointers and interfaces; the result is invalid if there is nothing.
func indirect(v reflect.Value) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	return v
}

// member returns a struct's field, invalid if there is none.
func member(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

func texts(v reflect.Value) []string {
	if v.Kind() != reflect.Slice {
		return nil
	}
	list := make([]string, 0, v.Len())
	for i := range v.Len() {
		list = append(list, v.Index(i).String())
	}
	return list
}

// takes reports whether the log takes entries of the logger.
func (l *accessLog) takes(logger string) bool {
	longest := func(names []string) int {
		n := 0
		for _, name := range names {
			if name == logger || strings.HasPrefix(logger, name+".") {
				n = max(n, len(name))
			}
		}
		return n
	}
	in, out := longest(l.include), longest(l.exclude)
	if len(l.include) > 0 && in == 0 {
		return false
	}
	return out == 0 || in > out
}

// warnLogs says when a site's access log would show secrets.
func (a *App) warnLogs(where place, logs []accessLog) {
	if where.logs == nil {
		return
	}
	if where.logs.ShouldLogCredentials {
		a.logger.Warn("log_credentials writes session cookies and tokens to the access log",
			zap.String("server", where.server))
	}
	for _, logger := range where.loggers() {
		for _, log := range logs {
			if log.redacts || !log.takes(logger) {
				continue
			}
			a.logger.Warn("the access log of a sync site lacks the filter for secrets in URLs and headers: "+
				"take the snippet sync_log from examples/single-host/Caddyfile",
				zap.String("server", where.server), zap.Strings("hosts", where.hosts), zap.String("logger", logger))
			return
		}
	}
}

// loggers are the loggers that the site's requests are logged to.
func (p place) loggers() []string {
	names := make(map[string]bool)
	for _, host := range p.hosts {
		found, mapped := p.logs.LoggerNames[strings.ToLower(host)]
		switch {
		case mapped:
			for _, name := range found {
				names[name] = true
			}
		case !p.logs.SkipUnmappedHosts && !slices.Contains(p.logs.SkipHosts, host):
			names[p.logs.DefaultLoggerName] = true
		}
	}
	if len(p.hosts) == 0 && !p.logs.SkipUnmappedHosts {
		names[p.logs.DefaultLoggerName] = true
	}
	loggers := make([]string, 0, len(names))
	for _, name := range sortedKeys(names) {
		logger := accessLogger
		if name != "" {
			logger += "." + name
		}
		loggers = append(loggers, logger)
	}
	return loggers
}
