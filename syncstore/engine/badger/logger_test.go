package badger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLoggerChoosesLevelsAndHidesKeys(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	l := &logger{log: zap.New(core)}
	l.Infof("compacted %d tables\n", 3)
	l.Debugf("written")
	l.Warningf("While running doCompact: %v\n", "x")
	l.Warningf("%s might be too small. Metrics: %s\n", "cache", "hit 1")
	l.Errorf("Unable to read: Key: %v\n", []byte("secret"))
	want := []struct {
		level zapcore.Level
		text  string
	}{
		{zapcore.DebugLevel, "badger: compacted 3 tables"},
		{zapcore.WarnLevel, "badger: While running doCompact: x"},
		{zapcore.DebugLevel, "badger: cache might be too small. Metrics: hit 1"},
		{zapcore.ErrorLevel, "badger: Unable to read: Key: [6 bytes]"},
	}
	require.Len(t, logs.All(), len(want))
	for i, entry := range logs.All() {
		require.Equal(t, want[i].level, entry.Level)
		require.Equal(t, want[i].text, entry.Message)
	}
	require.False(t, l.syncFailed.Load())
}

func TestDecision32_LoggerSeesAFailedSyncThoughNobodyListens(t *testing.T) {
	t.Parallel()
	l := &logger{log: zap.NewNop()}
	l.Errorf("Error while curlf sync: %v\n", errDisk)
	require.True(t, l.syncFailed.Load())
}

// TestDecision32_BadgerStillSaysWhatWeListenFor fails when a new Badger words the line
// otherwise: then a failed sync would go unseen.
func TestDecision32_BadgerStillSaysWhatWeListenFor(t *testing.T) {
	t.Parallel()
	require.Contains(t, badgerSource(t, "value.go"), `Errorf("`+syncFailure)
}
