//go:build !amd64 || purego

package sm3x8

func compressors() map[string]compressor { return map[string]compressor{} }

func best() compressor { return nil }
