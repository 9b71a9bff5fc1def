// Package series writes many series of Prometheus' text format (version 0.0.4): millions of them, whose labels are ids of servers and accounts.
//
// It owns the format and the way to the network; what the figures mean is its caller's. A [Table] is filled row by row, one row for each thing that has
// labels, one column for each series of it, and is then written metric by metric, because the format wants all lines of a metric together. So what is shown
// is read once, in one go, and no lock of anybody is held while bytes go to a slow reader.
//
// A general registry makes an object, a sorted list of labels and a protocol buffer of each series at each scrape. Here a series is eight bytes in a column,
// and its line is the labels of its row between two texts that are made once a column: no allocation a series, and the compressor is what costs most.
//
// A figure that is not known is not set, and its line is left out: absent is never 0. Figures are whole numbers, or thousandths of a [Metric] that says so.
// A Table is filled by one goroutine; afterwards any number may write it. [Serve] answers with gzip where the reader takes it; [Gate] bounds how many at a time.
package series
