package caddysync

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestStoreLogsToTheRunningConfiguration(t *testing.T) {
	t.Parallel()
	var live liveLogger
	logger := live.logger().Named("store").With(zap.String("path", "/data"))
	logger.Info("nobody listens")

	first, one := observer.New(zap.InfoLevel)
	live.set(zap.New(first).Named("sync"))
	logger.Debug("too low")
	logger.Info("to the first")

	second, two := observer.New(zap.InfoLevel)
	live.set(zap.New(second).Named("sync"))
	logger.Warn("to the second", zap.Int("n", 1))

	require.Len(t, one.All(), 1)
	require.Equal(t, "to the first", one.All()[0].Message)
	require.Len(t, two.All(), 1)
	require.Equal(t, "sync.store", two.All()[0].LoggerName)
	require.Equal(t, map[string]any{"path": "/data", "n": int64(1)}, two.All()[0].ContextMap())
}
