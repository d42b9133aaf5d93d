package schemas

import "testing"

// BenchmarkValidate: one valid legal aid case with 83 of its 85 fields.
func BenchmarkValidate(b *testing.B) {
	ty := typeNamed(b, "legal_aid_case")
	data := encode(b, example(b, "legal_aid_case"))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if faults := ty.Validate(data); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
