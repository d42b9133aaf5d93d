// Package keys holds everything a node does with a key: sign and verify, wrap
// and unwrap content keys, keep keys in files, and make or check certificates.
// The algorithms are those of suite SM2-SM3-SM4GCM-1 (protocol §1) and nothing
// else: SM2 (GB/T 32918) with user id 1234567812345678 and strict DER, SM3
// (GB/T 32905), SM4-128-GCM (GB/T 32907).
//
// What it promises:
//
//   - No function signs bytes that a caller chose. Every signature by a node or
//     registrar key is over context ‖ 0x00 ‖ bytes with a [Context] of a closed
//     list (protocol §1), so a signature made for one purpose never serves
//     another. The exceptions have a key or a form of their own: a request
//     (PKCS#10) signs itself, an [Authority] signs certificates.
//   - [Certificate.Verify] and [Unwrapper] take bytes from anybody: sizes are
//     bounded, encodings have exactly one accepted form, no input panics, and a
//     failure says nothing about its cause ([ErrSignature], [ErrUnwrap]).
//   - A signing certificate cannot receive a wrapped key and an encryption
//     certificate cannot sign, whatever its holder tries.
//   - Key files are encrypted, mode 0600, synced, and never overwritten.
//
// Where the private keys live is a seam: [Signer] and [Unwrapper]. Software
// keys in files ([SoftSigner], [SoftUnwrapper]) are one side of it, a process
// in front of a cryptographic machine is the other. The claim is "algorithms
// ready, module replaceable" (design §7), never certification: with software
// keys, whoever takes the disk and the passphrase has the keys.
//
// The [Authority] here is a development CA, for fayi init and the demo: it has
// no revocation lists, no key escrow and no policy. A bureau may bring
// certificates of a licensed CA instead: the requests are PKCS#10 and
// [InstallCertificates] takes any pair that [ParseCertificate] accepts. Trust
// in either case comes from the signed directory, which names certificates one
// by one and the positions they are good for (protocol §7), not from the CA.
//
// How data passes through it, and where to start: [CreateIdentity] makes a
// node's keys/ folder and two requests; the parent compares [JoinCode] and
// issues certificates; [InstallCertificates] puts them beside the keys; and
// [LoadIdentity] gives the running node its [Identity]: signer, unwrapper and
// [StoreKey]. A parent's registrar has a folder apart, kept offline
// ([CreateRegistrar], [LoadRegistrar]). A receiver needs only
// [ParseCertificate], [Certificate.Verify] and [Certificate.Wrap].
package keys
