/* SPDX-License-Identifier: BSD-3-Clause */
/* What blkback's ring and its I/O share. */
#ifndef NOXS_BACKEND_BLK_PRIVATE_H
#define NOXS_BACKEND_BLK_PRIVATE_H

#include "noxs/backend/blkback.h"

struct blk_scratch {
	uint8_t *area; /* BLK_SEGMENTS pages, page-aligned: direct I/O works, too */
	struct xengnttab_grant_copy_segment segs[BLK_SEGMENTS];
	struct blkif_request_segment indirect[BLK_SEGMENTS];
	struct blk_segment parsed[BLK_SEGMENTS];
};

#endif
