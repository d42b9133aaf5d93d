package packfile

import (
	"fmt"
	"regexp"

	"fayi/crypto/sign"
	"fayi/gateway/problem"
)

// partSize is how many bytes of a pack file one record holds: in base64 and with
// its line well below 256 KiB.
const partSize = 128 << 10

// MaxParts is how many parts the largest pack file has.
const MaxParts = (MaxFile + partSize - 1) / partSize

// Part is the data of an exchange_pack record: one piece of a pack file. Digest
// is SM3 of the whole file, which tells the parts of one file from those of
// another; the signature inside is what counts.
type Part struct {
	Pack    string    `json:"pack"`
	Version string    `json:"version"`
	Digest  sign.Hash `json:"digest"`
	Part    int       `json:"part"` // from 1
	Parts   int       `json:"parts"`
	Data    []byte    `json:"data"`
}

// Key is the record's key: pack@version:part.
func (p *Part) Key() string { return fmt.Sprintf("%s@%s:%d", p.Pack, p.Version, p.Part) }

// Split cuts a pack file into parts.
func Split(data []byte) ([]Part, error) {
	f, err := Open(data)
	if err != nil {
		return nil, err
	}
	var parts []Part
	n := (len(data) + partSize - 1) / partSize
	for i := range n {
		parts = append(parts, Part{
			Pack: f.Statement.Name, Version: f.Statement.Version, Digest: sign.Sum(data), Part: i + 1, Parts: n,
			Data: data[i*partSize : min((i+1)*partSize, len(data))],
		})
	}
	return parts, nil
}

var key = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}@[0-9.]{5,17}:[0-9]{1,2}$`)

// Check judges a part by itself, as it came in a record.
func (p *Part) Check() error {
	if !sign.ValidPackName(p.Pack) || !sign.ValidPackVersion(p.Version) || !key.MatchString(p.Key()) || p.Parts < 1 || p.Parts > MaxParts ||
		p.Part < 1 || p.Part > p.Parts || len(p.Data) == 0 || len(p.Data) > partSize || p.Part < p.Parts && len(p.Data) != partSize {
		return problem.New(problem.PackDamaged, "part %d of %d of %.32q %.17q", p.Part, p.Parts, p.Pack, p.Version)
	}
	return nil
}
