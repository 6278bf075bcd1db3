/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of a cpio archive ("newc"), as Linux unpacks it. */
#ifndef CHAOS_OCI_ARCHIVE_H
#define CHAOS_OCI_ARCHIVE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"

#define ARCHIVE_MAX   (1ull << 30) /* bytes */
#define ARCHIVE_DEPTH 128	   /* folders in folders */

/* The end of each: a head of its own with that name. */
#define ARCHIVE_LAST	"TRAILER!!!"
#define ARCHIVE_HEAD	110u
#define ARCHIVE_TRAILER 124

struct archive {
	FILE *f;
	uint64_t bytes;
	uint32_t inode; /* the last one given */
	void *links;	/* of files that have several names; archive_end() */
	FILE *opaque; /* NULL, or where archive_tree() notes folders that are opaque for overlayfs:
		       * names, each with a zero byte */
	struct err *e;
};

/* Each returns 0 or a negative errno with a message. Names are those in the archive. */
int archive_head(struct archive *a, const char *name, const struct stat *st, uint32_t inode,
		 uint64_t size);
int archive_node(struct archive *a, const char *name, mode_t mode, dev_t dev);
/* `fd`: the open file; its data is what there is of st->st_size bytes, and zeros. */
int archive_file(struct archive *a, const char *name, int fd, const struct stat *st,
		 uint32_t inode);
/* Of `len` bytes in memory. */
int archive_text(struct archive *a, const char *name, const char *data, size_t len);
/* What is in a folder; takes the descriptor. Links are put as links. */
int archive_tree(struct archive *a, int dir, const char *name, int depth);
/* The trailer; frees what was noted, also when `rc` says that it failed before. */
int archive_end(struct archive *a, int rc);

#endif
