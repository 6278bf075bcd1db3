/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved PV guests without noxs, mainly Linux (SAVE_KIND_PV_LINUX): libxenguest's stream inside of
 * ours. */
#ifndef CHAOS_LIBDOM_SAVE_PVLINUX_H
#define CHAOS_LIBDOM_SAVE_PVLINUX_H

#include "libdom/save_records.h"
#include "libdom/save_saving.h"

/* Frame numbers that its kernel may have in addition to its pages. */
#define SAVE_PV_LINUX_EXTRA (1u << 20)

/* An upper limit for the blocks of a stream. libxenguest finds the size only while it writes, but
 * the header has it. So a stream gets as many blocks as it can need at most, and the rest is zero.
 */
static inline uint64_t save_pv_linux_blocks(uint64_t pages, uint64_t frames, uint32_t vcpus)
{
	uint64_t batches = frames / RECORDS_BATCH + 2;
	uint64_t rest = 8 * frames + 32 * batches	   /* of pages */
			+ 8 * (frames / 512 + 2)	   /* of the p2m */
			+ vcpus * 32768ull + (256u << 10); /* vCPUs, CPU policy, others */

	return pages + (rest + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Fills the fields of the header that only this kind uses. */
int save_pv_linux_header(struct xen *x, const struct save_source *from, struct save_header *h,
			 struct err *e);
/* Writes the blocks, in place of pages. */
int save_pv_linux_put(struct saving *s, struct err *e);
/* save_restore() of this kind. */
int save_pv_linux_restore(struct xen *x, struct save_stream *s, struct dom *d,
			  struct save_stats *st, struct err *e);

#endif
