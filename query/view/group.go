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
	skipped bool // it is not answered, and need not be reduced
	builtIn accumulator
	script  *scriptReduce
}

// reduceRow adds a row to its group, after it has answered the one before if that has ended.
func (q *viewQuery) reduceRow(entry *syncstore.IndexEntry) error {
	key, err := q.groupKey(entry.Key)
	if err != nil {
		return err
	}
	if q.group != nil && !q.sameGroup(q.group.key, key) {
		if err := q.endGroup(); err != nil || q.left == 0 {
			return err
		}
	}
	if q.group == nil {
		q.group = q.newGroup(key)
	}
	if q.group.skipped {
		return nil
	}
	if q.group.builtIn != nil {
		return q.group.builtIn.add(entry)
	}
	return q.group.script.add(q.ctx, entry)
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
	var value []byte
	var err error
	if g.builtIn != nil {
		value, err = g.builtIn.result()
	} else {
		value, err = g.script.result(q.ctx)
	}
	if err == nil {
		q.answer(Row{Key: g.key, Value: value})
	}
	return err
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
	return bytes.Equal(a, b) || q.views.collation.Compare(a, b) == 0
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
