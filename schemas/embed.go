package schemas

import (
	"embed"
	"io/fs"
)

//go:embed packs/national/pack.json packs/national/types packs/national/codes packs/national/rules
var national embed.FS

// Embedded returns the national pack that comes with the program, for [Load].
func Embedded() fs.FS {
	sub, err := fs.Sub(national, "packs/national")
	if err != nil {
		panic(err) // the path is a constant and valid
	}
	return sub
}
