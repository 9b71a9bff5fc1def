// Package session carries the words of package protocol: frames, their limits and
// deadlines, TLS, and the multiplexer under a control stream.
//
// It owns the bytes between "a connection exists" and "a typed message arrived". It never
// decides who may speak (the gateway does), never retries (the link does) and never logs.
//
// # What a reader may rely on
//
//   - [Conn.Receive] returns one whole frame whose bytes were scanned: a map with text
//     keys, no deeper than protocol.MaxDepth, no length that the frame cannot hold, no more elements
//     than protocol.MaxElements, no extension but the time. Only then does a decoder see it, and it
//     only ever fills typed structs. Memory grows with the bytes that arrived, not with the
//     length that was announced.
//   - Every wait is bounded: the first byte of a frame by the idle limit of the
//     connection, the rest by [FrameTimeout]. Where the idle limit is zero somebody else must
//     watch (the gateway's timer wheel).
//   - Whatever is wrong with a frame is a [*BadFrame] with one of a fixed list of reasons, fit to
//     be a metric label. After it the connection is of no more use: say Goodbye and close.
//
// # What a writer may rely on
//
// [Conn.Send] may be called from any goroutine. It encodes into a pooled buffer and hands the
// connection one Write. A write that fails or takes longer than [WriteTimeout] closes the
// whole connection: half a frame may have left, and a multiplexer that lost a write leaves its peer
// waiting for ever.
//
// # The multiplexer
//
// [Server] and [Client] put yamux on a connection, with one stream and nothing else: keep-alive
// off, the smallest window, a second stream refused. A guard below yamux reads the headers that arrive
// and ends the connection on what this protocol does not use: pings (yamux would answer each from a new
// goroutine), more than one stream, data larger than the window. Writes are cut into records of 4 KiB,
// because a TLS peer keeps a buffer as large as the largest record it ever saw.
package session
