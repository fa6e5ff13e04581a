package signin

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// First makes the first security administrator of a new folder, with linli's
// own command, while nothing runs on the folder. In six processes the folder is
// the registry's. env is what the command is told besides, "LINLI_MASTER_KEY_FILE=…".
func First(ctx context.Context, binary, folder string, env ...string) (login, password string, err error) {
	login, password = "first", newPassword()
	cmd := exec.CommandContext(ctx, binary, "admin", "create", "--data", folder, "--login", login, "--name", "First")
	cmd.Stdin = strings.NewReader(password + "\n")
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("make the first administrator: %w: %s", err, out)
	}
	return login, password, nil
}
