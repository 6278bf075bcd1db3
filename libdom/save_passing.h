/* SPDX-License-Identifier: BSD-3-Clause */
/* libxenguest's stream on its way between the child process and the file: what a save and a restore
 * share. */
#ifndef CHAOS_LIBDOM_SAVE_PASSING_H
#define CHAOS_LIBDOM_SAVE_PASSING_H

#include "libdom/save_records.h"
#include "libdom/save_stream.h"

#define PASSING_PIECE (256u << 10)

struct passing {
	struct records records;
	struct xen_stream *child;
	struct transfer *file;
	struct save_hash *hash; /* of a restore */
	int fd;			/* of the pipe; -1: closed */
	uint64_t moved;		/* bytes written to the file, or given to the child */
	uint8_t piece[PASSING_PIECE];
};

/* Starts the child for a guest with so many vCPUs. *out is set also on failure, unless there is no
 * memory. */
int passing_begin(const struct xen_stream_want *w, uint32_t vcpus, struct transfer *file,
		  struct passing **out, struct err *e);
/* Waits until the child has done its work: its result. -ECANCELED: the transfer was cancelled, and
 * the child was ended. */
int passing_result(struct passing *p, struct xen_stream_result *r);
/* Waits for the pipe (POLLIN, POLLOUT): 0, -ECANCELED. */
int passing_wait(const struct passing *p, short events, struct err *e);
/* Ends the child, and frees `p`; NULL is allowed. */
void passing_end(struct passing *p);

#endif
