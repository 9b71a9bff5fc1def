package access

// Sealed is a secret that the fleet must be able to use again, encrypted with a key
// that is not beside it (rule X9). The zero value is no secret. package seal
// opens it; neither the API nor the audit log shows it.
type Sealed struct {
	Key string `json:"key,omitempty"` // id of the data key
	Box []byte `json:"box,omitempty"` // AES-256-GCM: nonce and ciphertext
}

// IsZero reports that there is no secret.
func (s Sealed) IsZero() bool { return len(s.Box) == 0 }
