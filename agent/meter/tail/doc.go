// Package tail reads logs that a daemon appends to and somebody rotates, each line once.
//
// A [Place] is all that there is to remember: device, inode and offset of the file, a hash of its first line, and when its last line was written. [Log.Next] gives
// the whole lines behind a place and the place behind them; whoever counts them stores both in one commit, and a crash between the two repeats the same
// piece. Next itself writes nothing, and what it gives depends on the disk and the place alone.
//
// Rotation. The file is found again by inode and first line under its path or beside it (PATH.1, PATH-20261123, PATH.2.gz …), by its first line alone where it was copied
// (copytruncate) or compressed. The inode alone says little: file systems give one out again at once, and a truncated file may have grown past the offset. Files are read
// from the oldest to the living one, by the time of their last line. A renamed file is left when a later one has a line, or is itself rotated, and nothing was written to it for
// [Settled]: a daemon writes to the old one until it is told to reopen, and slow ones until they are done.
//
// Loss. Where the file of a place is nowhere any more, Next says so in [Piece].Lost, and goes on with the oldest file that was written later: a gap is
// known, its bytes are not. Names that move while they are read are no loss: then the next call looks again. A file that came and went without ever having been read leaves no trace that it was there: its
// loss cannot be known. What a rotation by copytruncate loses between copy and truncation nobody can see; docs/nodes.md advises against it.
//
// Limits. A piece is as long as the caller's buffer; a line that does not fit is skipped and its length told. Only gzip is unpacked, as logrotate does by
// default; the unpacker is kept from call to call, so that a large file is unpacked once.
package tail
