// Package authority holds the fleet's two keys: the certificate authority that agents and
// controllers are known by (ECDSA P-256, ten years), and the Ed25519 key that signs erase
// permits and image manifests. It issues certificates and signs; it decides nothing about
// who deserves one, and it keeps no list of what it issued.
//
// Everything that is secret is in one file, fleet.pem, mode 0600: in a fleet with several
// controllers the same file is given to each of them, and they are then one authority. The
// file is made as a whole or not at all; when two controllers start on one empty directory, the
// second takes the first one's. Beside it lies authority.pem, the certificate alone, for clients that
// verify the API.
//
// Session ticket keys are derived from a seed in the same file and the date, so that an agent may resume
// its TLS session on any replica without the replicas speaking to each other.
//
// All methods are safe for concurrent use and none blocks on anything but the processor.
package authority
