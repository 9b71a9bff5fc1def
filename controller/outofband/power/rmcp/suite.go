package rmcp

import "github.com/bougou/go-ipmi/pkg/types"

// Suite is a combination of algorithms, numbered as in table 22-20 of the specification.
type Suite struct {
	ID        uint8
	auth      types.AuthAlg
	integrity types.IntegrityAlg
	crypt     types.CryptAlg
}

// Suites that both prove and encrypt every message, best first. Every BMC that follows the
// specification has 3; it is the older ones that lack 17.
var Strong = []Suite{
	{17, types.AuthAlg_HMAC_SHA256, types.IntegrityAlg_HMAC_SHA256_128, types.CryptAlg_AES_CBC_128},
	{3, types.AuthAlg_HMAC_SHA1, types.IntegrityAlg_HMAC_SHA1_96, types.CryptAlg_AES_CBC_128},
}

// Suites that prove who logs in, but leave commands readable (16, 2) or forgeable as
// well (15, 1). Left out for good: 0, which asks for no password; those that rest on
// MD5 (6 to 14) or RC4 (4, 5, 9, 10, 13, 14, 18, 19), which no controller has as its only ones.
var Weak = []Suite{
	{16, types.AuthAlg_HMAC_SHA256, types.IntegrityAlg_HMAC_SHA256_128, types.CryptAlg_None},
	{2, types.AuthAlg_HMAC_SHA1, types.IntegrityAlg_HMAC_SHA1_96, types.CryptAlg_None},
	{15, types.AuthAlg_HMAC_SHA256, types.IntegrityAlg_None, types.CryptAlg_None},
	{1, types.AuthAlg_HMAC_SHA1, types.IntegrityAlg_None, types.CryptAlg_None},
}
