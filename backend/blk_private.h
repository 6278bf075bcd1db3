/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the code for blkback's ring and for its I/O. */
#ifndef NOXS_BACKEND_BLK_PRIVATE_H
#define NOXS_BACKEND_BLK_PRIVATE_H

#include "backend/blkback.h"

/* A request of any kind, as the guest has written it. */
union any_request {
	struct blkif_request rw;
	struct blkif_request_discard discard;
	struct blkif_request_indirect indirect;
};

struct blk_scratch {
	uint8_t *area; /* BLK_SEGMENTS pages, page-aligned, so that direct I/O works */
	struct xengnttab_grant_copy_segment segs[BLK_SEGMENTS];
	union any_request taken[BLK_REQUESTS];
	struct blkif_request_segment indirect[BLK_REQUESTS][BLK_SEGMENTS];
	struct blk_segment parsed[BLK_SEGMENTS];
};

#endif
