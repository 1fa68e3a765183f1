package caddysync

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// liteRows is how many rows section 8.1 of reference/blip.md has: cases of Sync Gateway's own
// tests.
const liteRows = 98

// notHere are the rows of what there is none of here, and why.
var notHere = map[int]string{
	29: "only what another gateway does: devices propose, and a client's changes are refused with 409 (row 33), so that nobody is answered with ancestors",
	56: "imports and their metadata are of a gateway beside a database of somebody else; a record of ours that is damaged is row 52",
	80: "deltas are not kept: each is made for the one client, of what its user may read (row 84)",
}

// liteCases are the cases of section 8.2 of reference/blip.md, which Sync Gateway does not test,
// and the tests that pin them.
var liteCases = map[string]string{
	"flags in several spellings":        "TestFlags",
	"cookie's name in lower case":       "TestLiteHandshakeTakesEveryKindOfCredentials",
	"checkpoint's rev with its body":    "TestGetCollections",
	"long document IDs":                 "TestDocumentIDsOf255And256Bytes TestDecision27_WhatCouchbaseLiteCannotHoldIsLeftOut",
	"zip bomb":                          "TestAZipBombEndsTheConnectionInBoundedMemory TestAZipBombOfManyFramesIsALongBody TestLiteHostilePeersCostTheirOwnConnection",
	"properties without end":            "TestPropertiesOfAnyLengthAreRefusedBeforeMemoryIsMade TestBadMessagesEndTheConnection",
	"a million frames of nothing":       "TestAMillionTinyFramesEndTheConnection TestAFloodOfTinyMessagesTakesNoMemory",
	"numbers that come around":          "TestNumbersDoNotWrap TestARequestOutOfTurnEndsTheConnection",
	"frames that are full":              "TestAMessageThatFillsItsFrames TestAStreamedBodyIsSentWhole TestAStreamsLastFrameIsNotEmpty",
	"urgent among others":               "TestUrgentMessagesGoAheadOfTheRest TestFramesAreSmallWhileAnUrgentMessageWaits TestMessagesTakeTurnsAndAreNumberedByTheirFirstFrames",
	"acknowledged too late":             "TestAcknowledgementsOfFinishedMessagesAreIgnored",
	"pongs on a slow link":              "TestAPongBehindASlowFrameDoesNotEndTheConnection TestALargeBlobGoesThroughBothWays",
	"reload of many sockets":            "TestDecision17_LiteSocketsMoveToTheNewConfiguration TestDecision17_ReloadEndsLiteSocketsWithinTheDelay",
	"storm of 503":                      "TestManyRevsThatCannotBeStoredNowEndTheConnectionOnce TestErrorsAsClientsUnderstandThem",
	"a device's clock is ahead":         "TestDecision24_VersionsAheadAreTriedAgain TestDecision24VersionsFromTheFutureComeBackLater",
	"our clock goes back":               "TestDecision24TheClockNeverRunsBackwards",
	"one checkpoint, two devices":       "TestCheckpointOfTwoDevicesAtOnce",
	"the store is one of before":        "TestSinceBeyondTheEndBeginsAnew TestDecision35SinceAboveTheSequenceIsRead0",
	"a pull of everything":              "TestALongPullTakesConstantMemory TestOneShotBringsEverythingAndThenSaysOnceThatItHas",
	"peers that read or answer nothing": "TestAPeerThatNeverReadsIsEnded TestAPeerThatNeverAcknowledgesStopsThatMessageOnly TestUnansweredFeedsAreBounded",
}

var (
	// liteCitation is how a test cites rows: in a comment "row 12", "rows 12, 13 and 16" or
	// "rows 59 to 63", in its name "_row36". A section's number is no row.
	liteCitation = regexp.MustCompile(`(?:^|[^A-Za-z0-9])(?:[Rr]ows? |_row)(\d+(?:(?:, | and | to )\d+)*)(\.\d)?`)
	liteRange    = regexp.MustCompile(`(, | and | to )?(\d+)`)
)

// citedRows are the rows that a test file cites, each as often as it does.
func citedRows(text string) (rows []int) {
	// Rows of Sync Gateway's behaviour are F rows.
	text = strings.NewReplacer("F row ", "F", "F rows ", "F", "_row", " _row").Replace(text)
	for _, m := range liteCitation.FindAllStringSubmatch(text, -1) {
		if m[2] != "" {
			continue
		}
		last := 0
		for _, number := range liteRange.FindAllStringSubmatch(m[1], -1) {
			n, _ := strconv.Atoi(number[2])
			for between := last + 1; number[1] == " to " && between < n; between++ {
				rows = append(rows, between)
			}
			rows = append(rows, n)
			last = n
		}
	}
	return rows
}

func TestRowsAreCitedInAFewForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{
		"// row 12": {12}, "// Rows 12, 13 and 16 of": {12, 13, 16}, "// Rows 8, 59 to 62.": {8, 59, 60, 61, 62}, "func TestX_row36_row94(t": {36, 94},
		"row 69, row 71": {69, 71}, "// Row 3.12 of the messages": nil, "F row 31, F rows 21 and 30": nil, "arrow 5, rows of 7, row": nil, "(row 94)": {94},
		"Row 5": {5},
	} {
		require.Equal(t, want, citedRows(text), text)
	}
}

// liteTests are the test files where Couchbase Lite's replication is tested.
func liteTests(t *testing.T, read func(path, text string)) {
	t.Helper()
	root, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, folder := range []string{"replication", "syncstore", "test"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && entry.Name() == "node_modules" {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, "_test.go") {
				root = append(root, path)
			}
			return err
		}))
	}
	for _, path := range root {
		if path == "literows_test.go" {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		read(path, string(text))
	}
}

// TestEveryRowOfTheReferenceIsPinned looks for every row of section 8.1 and every case of
// section 8.2 of reference/blip.md.
func TestEveryRowOfTheReferenceIsPinned(t *testing.T) {
	t.Parallel()
	cited := make(map[int]string)
	tests := make(map[string]bool)
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	liteTests(t, func(path, text string) {
		for _, n := range citedRows(text) {
			require.True(t, n >= 1 && n <= liteRows, "%s cites row %d, and there is none", path, n)
			cited[n] = path
		}
		for _, m := range function.FindAllStringSubmatch(text, -1) {
			tests[m[1]] = true
		}
	})
	var missing []int
	for n := 1; n <= liteRows; n++ {
		switch reason := notHere[n]; {
		case cited[n] == "" && reason == "":
			missing = append(missing, n)
		case cited[n] != "" && reason != "":
			require.Fail(t, "a row that is not here is cited", "%d in %s", n, cited[n])
		}
	}
	require.Empty(t, missing, "rows of section 8.1 that no test cites")

	for name, pinned := range liteCases {
		require.NotEmpty(t, pinned, name)
		for test := range strings.FieldsSeq(pinned) {
			require.True(t, tests[test], "%s: there is no %s", name, test)
		}
	}
}
