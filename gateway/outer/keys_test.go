package outer_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNodeKeysAreOutOfReach: neither the engine nor profiles, sheets and
// simulators are built with the packages that hold and use the node's keys, so a
// secret of a profile cannot come to its Signer, nor the other way round.
func TestNodeKeysAreOutOfReach(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{"fayi/gateway/outer", "fayi/adapters/hotline/profile", "fayi/adapters/hotline/simulator", "fayi/adapters/hotline/sheet"} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 20 {
			t.Fatal(deps)
		}
		for _, d := range deps {
			if strings.HasPrefix(d, "fayi/crypto/") || d == "fayi/gateway/directory" || d == "fayi/gateway/call" {
				t.Errorf("%s is built with %s", pkg, d)
			}
		}
	}
}
