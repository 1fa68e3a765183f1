package view

import (
	"bytes"
	"context"
	"strings"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"go.uber.org/zap"
)

const (
	// reduceRows and reduceBytes are how much a reduce function is given at once.
	reduceRows  = 250
	reduceBytes = 128 << 10
)

// group is a group of rows that is reduced.
type group struct {
	key     []byte
	cut     bool // it is the beginning of its rows' keys
	skipped bool // it is not answered, and need not be reduced
	builtIn accumulator
	script  *scriptReduce
}

// reduceRow adds a row to its group, after it has answered the one before if that has ended.
func (q *viewQuery) reduceRow(entry *syncstore.IndexEntry) error {
	if q.group == nil || !q.group.begins(entry.Key) {
		key, err := q.groupKey(entry.Key)
		if err != nil {
			return err
		}
		if err := q.enterGroup(key); err != nil || q.left == 0 {
			return err
		}
		q.group.cut = len(key) < len(entry.Key) && q.o.GroupLevel > 0
	}
	return q.group.add(q.ctx, entry)
}

// enterGroup makes the group of a key the one that is gathered.
func (q *viewQuery) enterGroup(key []byte) error {
	if q.group != nil && !q.sameGroup(q.group.key, key) {
		if err := q.endGroup(); err != nil || q.left == 0 {
			return err
		}
	}
	if q.group == nil {
		q.group = q.newGroup(key)
	}
	return nil
}

// begins reports whether the group's key is the beginning of a row's, element by element. Keys are
// written by one writer, without white space.
func (g *group) begins(key []byte) bool {
	last := len(g.key) - 1
	return g.cut && len(key) > last+1 && key[last] == ',' && bytes.Equal(key[:last], g.key[:last])
}

func (g *group) add(ctx context.Context, entry *syncstore.IndexEntry) error {
	switch {
	case g.skipped:
		return nil
	case g.builtIn != nil:
		return g.builtIn.add(entry)
	}
	return g.script.add(ctx, entry)
}

// merge adds rows that were reduced.
func (g *group) merge(ctx context.Context, p *partial) error {
	switch {
	case g.skipped:
		return nil
	case g.builtIn != nil:
		return g.builtIn.merge(p.builtIn)
	}
	return g.script.merge(ctx, p.script)
}

func (q *viewQuery) newGroup(key []byte) *group {
	g := &group{key: key, skipped: q.skip > 0}
	if q.builtIn != "" {
		g.builtIn = newAccumulator(q.builtIn)
	} else {
		g.script = &scriptReduce{function: q.reduce, logger: q.mapper.logger}
	}
	return g
}

// endGroup answers the group that was gathered.
func (q *viewQuery) endGroup() error {
	g := q.group
	if q.group = nil; g == nil {
		return nil
	}
	if g.skipped {
		q.skip--
		return nil
	}
	if q.partly && g.builtIn != nil {
		q.gathered = append(q.gathered, partial{key: g.key, builtIn: g.builtIn})
		return nil
	}
	var value []byte
	var err error
	if g.builtIn != nil {
		value, err = g.builtIn.result()
	} else {
		value, err = g.script.result(q.ctx)
	}
	switch {
	case err != nil:
		return err
	case q.partly:
		q.gathered = append(q.gathered, partial{key: g.key, script: string(value)})
	default:
		q.answer(Row{Key: g.key, Value: value})
	}
	return nil
}

var null = []byte("null")

// groupKey is the key of the group that a row is in.
func (q *viewQuery) groupKey(key []byte) ([]byte, error) {
	level := q.o.GroupLevel
	switch {
	case level == GroupNone:
		return null, nil
	case level == GroupExact || len(key) == 0 || key[0] != '[':
		return key, nil
	}
	short := []byte{'['}
	n, more := 0, false
	err := jsondoc.Elements(key, func(element []byte) error {
		if n == level {
			more = true
			return nil
		}
		if n++; n > 1 {
			short = append(short, ',')
		}
		short = append(short, element...)
		return nil
	})
	if err != nil || !more {
		return key, err
	}
	return append(short, ']'), nil
}

func (q *viewQuery) sameGroup(a, b []byte) bool {
	return bytes.Equal(a, b) || bytes.Equal(q.mapper.sort(a), q.mapper.sort(b))
}

// scriptReduce reduces rows by a function in JavaScript, some at a time, and then what came of
// these.
type scriptReduce struct {
	function *design.Reduce
	logger   *zap.Logger

	keys, values strings.Builder // of rows that wait
	waiting      int
	reduced      []string
}

func (s *scriptReduce) add(ctx context.Context, entry *syncstore.IndexEntry) error {
	if s.waiting++; s.waiting > 1 {
		s.keys.WriteByte(',')
		s.values.WriteByte(',')
	}
	s.keys.WriteByte('[')
	s.keys.Write(entry.Key)
	s.keys.WriteByte(',')
	s.keys.Write(quoted(entry.ID))
	s.keys.WriteByte(']')
	s.values.Write(entry.Value)
	if s.waiting < reduceRows && s.keys.Len()+s.values.Len() < reduceBytes {
		return nil
	}
	return s.reduce(ctx)
}

// reduce reduces the rows that wait.
func (s *scriptReduce) reduce(ctx context.Context) error {
	err := s.call(ctx, "["+s.keys.String()+"]", s.values.String(), false)
	s.keys.Reset()
	s.values.Reset()
	s.waiting = 0
	if err == nil && len(s.reduced) >= reduceRows {
		err = s.again(ctx)
	}
	return err
}

// merge adds what came of rows.
func (s *scriptReduce) merge(ctx context.Context, reduced string) error {
	if s.waiting > 0 {
		if err := s.reduce(ctx); err != nil {
			return err
		}
	}
	if s.reduced = append(s.reduced, reduced); len(s.reduced) >= reduceRows {
		return s.again(ctx)
	}
	return nil
}

// again reduces what came of reductions.
func (s *scriptReduce) again(ctx context.Context) error {
	values := strings.Join(s.reduced, ",")
	s.reduced = s.reduced[:0]
	return s.call(ctx, "null", values, true)
}

func (s *scriptReduce) call(ctx context.Context, keys, values string, rereduce bool) error {
	result, thrown, err := s.function.Values(ctx, keys, "["+values+"]", rereduce)
	if err != nil {
		return err
	}
	if thrown != nil {
		s.logger.Warn("the reduce function failed; the result is null", zap.Error(thrown))
	}
	s.reduced = append(s.reduced, result)
	return nil
}

func (s *scriptReduce) result(ctx context.Context) ([]byte, error) {
	if s.waiting > 0 {
		if err := s.reduce(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.reduced) > 1 {
		if err := s.again(ctx); err != nil {
			return nil, err
		}
	}
	return []byte(s.reduced[0]), nil
}
