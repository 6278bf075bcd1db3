/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that writes anything into a vbd's ring. */
#include "backend/blkback.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/backend/backend_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECTORS 64u
#define STEP	8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest;
	static struct blk_scratch *scratch;
	static int fd = -1;
	struct blkback b = {.domid = GUEST_DOMID, .port = GUEST_PORT, .sectors = SECTORS};
	struct front f;
	struct err e = {0};
	struct stat st;
	int rc = 0;

	if (!scratch) {
		guest_init(&guest);
		scratch = blk_scratch_new(aligned_alloc(BLK_PAGE, BLK_SEGMENTS * BLK_PAGE));
		fd = memfd_create("disk", MFD_CLOEXEC);
		if (!scratch || fd < 0 || ftruncate(fd, SECTORS * BLK_SECTOR) < 0)
			__builtin_trap();
	}
	front_init(&f, BLK_REQUESTS, 112);
	b.seam = &guest.seam;
	b.fd = fd;
	b.flags = BLK_DISCARD;
	blkback_init(&b, f.page);
	for (; size >= STEP && rc >= 0; data += STEP, size -= STEP) {
		uint32_t at = (uint32_t)(data[1] | data[2] << 8) % (RING_PAGE - 4);
		size_t more = size - STEP;
		struct blk_job *jobs;

		switch (data[0] & 7) {
		case 0: /* scribbles */
			memcpy((uint8_t *)f.page + at, data + 4, 4);
			break;
		case 1: /* a whole ring of what is left */
			memcpy((uint8_t *)f.page + RING_HEADER, data + STEP,
			       more < RING_PAGE - RING_HEADER ? more : RING_PAGE - RING_HEADER);
			break;
		case 2: /* some more requests */
			f.page->req_prod += data[3];
			break;
		case 3: /* indirect segments, or data */
			memcpy(guest.page[data[1]], data + STEP,
			       more < RING_PAGE ? more : RING_PAGE);
			break;
		case 4:
			guest.revoked[data[1]] = data[3] & 1;
			break;
		case 5:
			b.flags = data[3] & BLK_FLAGS;
			break;
		default:
			rc = blkback_poll(&b, scratch, &jobs, &e);
			for (struct blk_job *next; jobs; jobs = next) {
				next = jobs->next;
				(void)blk_run(jobs, scratch, false);
				blk_finish(jobs);
			}
			blkback_publish(&b);
			break;
		}
	}
	/* It ends with a reason, owes nothing, and the disk has kept its size. */
	if ((rc < 0 && !e.code) || b.running != 0 || fstat(fd, &st) < 0 ||
	    st.st_size != (off_t)(SECTORS * BLK_SECTOR))
		__builtin_trap();
	return 0;
}
