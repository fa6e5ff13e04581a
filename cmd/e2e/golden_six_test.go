package e2e_test

import (
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/cmd/golden"
)

// TestGolden_SixProcessesAnswerAsOne plays the scripts on six processes: the
// transcripts are those of one.
func TestGolden_SixProcessesAnswerAsOne(t *testing.T) {
	s := startShape(t, six, filepath.Join(t.TempDir(), "six"), "--clock", golden.Clock)
	transcripts(t, s.server, false)
	s.stop(t)
}
