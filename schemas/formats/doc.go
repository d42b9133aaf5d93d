// Package formats judges the national number formats that public-legal-service records carry: identity numbers (GB 11643), unified
// social credit codes (GB 32100) with the organisation code inside (GB 11714), administrative divisions (GB/T 2260), lawyers' licence
// numbers, legal qualification certificates, court case numbers, dates, telephone numbers and decimals carried as text.
//
// Every function here is pure: the answer depends on the argument alone, never on a clock, a file or the network, so two nodes cannot
// disagree about one record (protocol §1: no clock decides validity). Where a date matters, the caller gives it: see [ID18At].
//
// A nil answer means the text has the format. Otherwise it is an [*Error] with a stable [Code] and one sentence each in Chinese and
// English that says exactly what is wrong. The sentences never repeat the value, because the value may be somebody's identity number;
// they name a right check digit only for numbers of organisations.
//
// What a format cannot promise: that the person, organisation or telephone exists. A right check digit only excludes slips of the hand.
//
// Start with [ID18] and [USCC]. Rules come from the standards named above as public sources reproduce them; testdata/vectors.json holds
// the vectors every function is tested against, data/README.md says where the division list comes from.
package formats
