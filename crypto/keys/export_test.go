package keys

import "github.com/emmansun/gmsm/sm2"

// Raw lets tests use a key as another vendor's implementation would.
func Raw(k *Key) *sm2.PrivateKey { return k.sm2 }

// The parsers of key files before any key derivation, for fuzzing.
var (
	CheckEncryptedKey = checkEncryptedKey
	CheckSecret       = checkSecret
	OpenKey           = openKey
)
