/* SPDX-License-Identifier: BSD-3-Clause */
/* Identifies a file and its state. */
#ifndef CHAOS_ENGINE_FILE_KEY_H
#define CHAOS_ENGINE_FILE_KEY_H

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <time.h>

/* A file at one moment: identity, size and both times in nanoseconds. Compared as bytes. */
struct file_key {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* Fills it for an open file; false and all zero: not known, or fd is -1. Uses what the kernel
 * has in memory, which is as fresh as the open() of the file; no server is contacted. */
static inline bool file_key(int fd, struct file_key *out)
{
	struct statx st;

	memset(out, 0, sizeof(*out)); /* compared as bytes */
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return false;
	out->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	out->ino = st.stx_ino;
	out->size = (off_t)st.stx_size;
	out->mtime = (struct timespec){st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec};
	out->ctime = (struct timespec){st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec};
	return true;
}

/* Fills it from the result of stat(). */
static inline void file_key_of(const struct stat *st, struct file_key *out)
{
	memset(out, 0, sizeof(*out)); /* compared as bytes */
	out->dev = st->st_dev;
	out->ino = st->st_ino;
	out->size = st->st_size;
	out->mtime = st->st_mtim;
	out->ctime = st->st_ctim;
}

#endif
