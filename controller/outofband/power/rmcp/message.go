package rmcp

// Addresses on the bus (section 5.5).
const (
	addressBMC     = 0x20
	addressConsole = 0x81
)

// request is an IPMI message to the controller (section 13.8).
func request(netFn, command, sequence uint8, data []byte) []byte {
	out := []byte{addressBMC, netFn << 2}
	out = append(out, checksum(out))
	tail := append([]byte{addressConsole, sequence << 2, command}, data...)
	return append(append(out, tail...), checksum(tail))
}

// answer is the data of the message that answers a request; the first byte is the completion code.
func answer(netFn, command, sequence uint8, in []byte) ([]byte, bool) {
	const least = 8 // with completion code and checksum
	if len(in) < least || in[1]>>2 != netFn+1 || in[4]>>2 != sequence || in[5] != command {
		return nil, false
	}
	if checksum(in[:2]) != in[2] || checksum(in[3:len(in)-1]) != in[len(in)-1] {
		return nil, false
	}
	return in[6 : len(in)-1], true
}

// checksum makes the sum of all bytes and itself zero.
func checksum(in []byte) (sum byte) {
	for _, b := range in {
		sum -= b
	}
	return sum
}
