// Package testdata finds the real-world samples (hardware dumps, disk reports,
// logs) that live beside the project and are not part of it.
//
// The samples have licences of their own, so the repository holds none of them:
// tests read them in place and skip where they are absent. The package never
// writes, downloads or copies anything.
package testdata
