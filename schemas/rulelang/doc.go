// Package rulelang is the language in which packs state what several fields of a record say about each other: dates in order, the sex digit of an
// identity number and the gender beside it.
//
//	acceptDate >= applyDate
//	certType == "111" and gender in ["1", "2"] => sex(certNo) == gender
//	has(agreementNo) => agreementForm == "1"
//
// A rule is one expression over the members of one object. The language is total: it has no loop, no recursion, no variable and no arithmetic,
// and an expression has at most [MaxNodes] parts, so judging one takes at most so many steps, each at most linear in the record. It is typed:
// [Compile] is told the kind of every member and refuses what cannot be compared, all of it at once.
//
// Logic has three values, as in SQL's CHECK: an operand that is missing makes a comparison unknown, and a rule is broken only if it is false.
// So "acceptDate >= applyDate" says nothing about a record without acceptDate; has(acceptDate) is what asks for it.
//
//	operators    =>  or  and  not  ==  !=  <  <=  >  >=  in [ … ]            weakest first; => is "if … then"
//	values       members by name, "text", 12, true, false
//	has(m)       the member is there
//	part(t,a,b)  characters a to b of a text, counted from 1; unknown if it is shorter
//	ends(t, "所") the text ends so
//	length(t)    its number of characters
//	number(t)    a text of one to fifteen digits as an integer; unknown for anything else
//	year(d)      of a date or time
//	birth(id)    sex(id): what an identity number says (GB 11643): a date; "1" male or "2" female (GB/T 2261.1); unknown for anything else
//	count(list)  contains(list, "01")
//	placeholder(t)       the text only stands for a missing one, such as 暂无
//	in_force(code, d)    the division code had not been abolished on that day; unknown where that is not known
//	in_territory(code)   the division lies in the territory of the node that judges; unknown where no territory is given
//
// Dates are compared by the day as written, two times by the instant, decimals and integers by their value, everything else for equality only.
//
// A rule is judged in two ways that must agree: [Expr.Bytes] over raw JSON that is already known to have the right kinds, without allocating,
// and [Expr.Walk], the reference, over decoded JSON. TestAgree compares them. Both are pure and safe for concurrent use.
//
// docs/rules.md describes the language for other implementations; testdata/vectors.json holds a case for every part of it. Start with [Compile].
package rulelang
