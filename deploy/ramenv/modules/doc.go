// Package modules knows the kernel's modules: which file a name or the alias of a device means, what has to be
// loaded before it, and how it is loaded.
//
// The builder of the RAM environment reads depmod's tables of the whole kernel ([Read]), takes the modules
// that servers need ([Index.Take]) and writes smaller tables of the same form ([Index.Tables]); inside the RAM
// environment the same code reads them and loads what the devices ask for. It also plays modprobe for
// the kernel, which calls that program when it wants a file system or a checksum ([Loader.Want]).
package modules
