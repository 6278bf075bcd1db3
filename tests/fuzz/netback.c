/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that writes anything into a vif's rings, and a TAP that gives anything. */
#include "backend/net_private.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/backend/backend_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One step: what, where, a value, and what is left is its material. */
#define STEP 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest;
	static struct net_scratch *scratch;
	static int pair[2] = {-1, -1};
	struct netback n = {.domid = GUEST_DOMID, .port = GUEST_PORT, .features = NET_FEATURES};
	struct front tx;
	struct front rx;
	struct err e = {0};
	uint8_t drain[256];
	int rc = 0;

	if (!scratch) {
		guest_init(&guest);
		scratch = net_scratch_new(aligned_alloc(NET_PAGE, NET_AREA_PAGES * NET_PAGE));
		if (!scratch || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
			__builtin_trap();
	}
	front_init(&tx, NET_SLOTS, 12);
	front_init(&rx, NET_SLOTS, 8);
	n.seam = &guest.seam;
	n.scratch = scratch;
	n.tap = pair[0];
	netback_init(&n, tx.page, rx.page);
	for (; size >= STEP && rc >= 0; data += STEP, size -= STEP) {
		struct front *f = data[0] & 1 ? &tx : &rx;
		uint32_t at = (uint32_t)(data[1] | data[2] << 8) % (RING_PAGE - 4);
		size_t more = size - STEP;

		switch (data[0] >> 1 & 7) {
		case 0: /* scribbles */
			memcpy((uint8_t *)f->page + at, data + 4, 4);
			break;
		case 1: /* a whole ring of what is left */
			memcpy((uint8_t *)f->page + RING_HEADER, data + STEP,
			       more < RING_PAGE - RING_HEADER ? more : RING_PAGE - RING_HEADER);
			break;
		case 2: /* some more requests */
			f->page->req_prod += data[3];
			break;
		case 3: /* a frame from the TAP */
			(void)send(pair[1], data + STEP, more, MSG_DONTWAIT);
			break;
		case 4: /* headers in a page */
			memcpy(guest.page[data[1]], data + STEP,
			       more < RING_PAGE ? more : RING_PAGE);
			break;
		case 5:
			guest.revoked[data[1]] = data[3] & 1;
			break;
		case 6:
			n.features = data[3] & NET_FEATURES;
			break;
		default:
			rc = netback_tx(&n, &e);
			if (rc >= 0)
				rc = netback_rx(&n, &e);
			netback_notify(&n);
			while (recv(pair[1], drain, sizeof(drain), MSG_DONTWAIT) > 0)
				;
			break;
		}
	}
	if (rc < 0 && !e.code)
		__builtin_trap(); /* a device ends with a reason */
	while (recv(pair[0], drain, sizeof(drain), MSG_DONTWAIT) > 0)
		;
	netback_fini(&n);
	return 0;
}
