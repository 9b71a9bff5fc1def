// Package diagnose tests a machine and says for each part what was measured, what the limit
// was and what that means (rule B46): processors compute sums and digests whose answers are known, memory
// is written and read back in patterns and its error counters are read, every disk is read in a row
// and at random places past every cache, its SMART summary is judged, every port's link is compared with the
// best it can do, temperatures with the sensors' own limits. The inventory as seen at the end
// goes with it and defines the configuration.
//
// The verdicts: error is something that must be repaired before the machine is sold, warning is
// what a person should look at first, ok is everything else, also a part that cannot be tested here
// (Detail says why): what is not known is not held against the machine.
//
// Nothing is written to any disk. A check that fails to run is an error of that check; the
// others go on. Parts that disturb each other (processors and memory) are tested one after the
// other, disks side by side.
package diagnose
