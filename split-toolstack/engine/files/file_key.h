/* SPDX-License-Identifier: BSD-3-Clause */
/* What tells one file, and one state of it, from all others. */
#ifndef CHAOS_ENGINE_FILE_KEY_H
#define CHAOS_ENGINE_FILE_KEY_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct stat;

/* A file as it was: identity, size and both times to the nanosecond. Compared as bytes. */
struct file_key {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* What is behind an open file; false and all zero: not known, or -1. */
bool file_key(int fd, struct file_key *out);
/* The same of what the kernel has said of it. */
void file_key_of(const struct stat *st, struct file_key *out);

#endif
