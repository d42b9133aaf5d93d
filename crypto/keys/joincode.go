package keys

import (
	"crypto/subtle"
	"fmt"
	"math/big"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

const joinDigits = 20

// JoinCode is what both screens show when a node joins (protocol §7): 5 groups
// of 4 decimal digits with spaces between. Its digits are SM3(sign CSR ‖
// encryption CSR ‖ anchor) as a big-endian number modulo 10²⁰, with leading
// zeros. The requests are DER and end themselves, so no other three parts give
// the same bytes. 66 bits: enough for a comparison that a person makes once.
func JoinCode(signCSR, encCSR, anchor []byte) string {
	h := sm3.New()
	h.Write(signCSR)
	h.Write(encCSR)
	h.Write(anchor)
	n := new(big.Int).SetBytes(h.Sum(nil))
	n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(joinDigits), nil))
	digits := fmt.Sprintf("%0*d", joinDigits, n)
	groups := make([]string, 0, joinDigits/4)
	for i := 0; i < joinDigits; i += 4 {
		groups = append(groups, digits[i:i+4])
	}
	return strings.Join(groups, " ")
}

// EqualJoinCode compares a typed code with the right one in constant time.
// Spaces and hyphens do not count, and the full-width digits of Chinese input
// methods are digits.
func EqualJoinCode(typed, want string) bool {
	a, b := joinCodeDigits(typed), joinCodeDigits(want)
	return len(b) == joinDigits && subtle.ConstantTimeCompare(a, b) == 1
}

// joinCodeDigits is nil for anything that cannot be a code.
func joinCodeDigits(s string) []byte {
	digits := make([]byte, 0, joinDigits)
	for _, r := range s {
		switch {
		case r == ' ', r == '-', r == '\u3000':
			continue
		case r >= '0' && r <= '9':
		case r >= '０' && r <= '９':
			r += '0' - '０'
		default:
			return nil
		}
		if len(digits) == joinDigits {
			return nil
		}
		digits = append(digits, byte(r))
	}
	return digits
}
