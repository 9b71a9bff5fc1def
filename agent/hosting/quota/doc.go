// Package quota is the part "quota" of a hosting node: how much disk space the own files of an account's user may take. It also makes and removes the homes for the part "user", because a
// limit by directory begins and ends with the directory ([Part.Homes] is given to unix.Options).
//
// What keeps a limit is the kernel, and what the kernel can is found out by asking it for the file system of the homes:
//
//   - ext4 and XFS: quota of the user, by his number. He cannot give files away, so he cannot get out of it. Where quota by project is on too, the home is a project with the same number and
//     limit, which counts files of others in the home as well. Project quota alone is set but not relied on: the owner of a file may put it into another project.
//   - btrfs with qgroups: each home is a subvolume and its group has the limit. A customer with a shell can make subvolumes of his own, which nothing limits; an account that has one fails
//     with their number.
//   - anything else: no limit is kept. Provide says so with what to do, and Ensure changes nothing.
//
// Mail and databases have other owners and places, so they never count (rule C20). No limit and a limit of zero are two things (rule X12): the kernel knows 0 as "no limit" only, so a real
// zero is one unit of its count, which the directories of the home already exceed: nothing more can be written, and deleting works.
//
// What was set is read back. On the way out the limit stays until the home is gone, so that nobody fills the disk while he is removed. A node without root's CAP_SYS_RESOURCE limits root in a customer's name too.
package quota
