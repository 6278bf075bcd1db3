/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers of the guest kit in a domain where their device does not exist: requests fail, also those
 * that were under way; nothing is sent, and the pages that were rings are left alone. */
#include "guests/kit/dev.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

struct kit kit = {.cmdline = ""};

static _Alignas(4096) uint8_t rings[2][4096];
static uint32_t events;

/* --- the rest of the kit --- */

bool kit_device_open(struct kit_device *d, enum noxs_device_type type, uint16_t index)
{
	d->type = (uint16_t)type;
	d->index = index;
	d->port = 5;
	for (int i = 0; i < 2; i++) {
		memset(rings[i], 0, sizeof(rings[i]));
		d->ring[i] = rings[i];
	}
	return true;
}

void kit_device_close(struct kit_device *d)
{
	d->port = 0;
}

void kit_device_notify(const struct kit_device *d)
{
	events++;
	assert_int_equal(d->port, 5);
}

void *kit_pages(uint32_t n)
{
	return aligned_alloc(PAGE_SIZE, n * PAGE_SIZE);
}

uint32_t kit_pages_left(void)
{
	return 1000;
}

uint32_t kit_grant(domid_t to, const void *page, bool readonly)
{
	static uint32_t next = 64;

	(void)to;
	(void)page;
	(void)readonly;
	return next++;
}

void kit_wait_port(uint32_t port, uint64_t timeout_ns)
{
	(void)port;
	(void)timeout_ns;
}

void kit_print(const char *fmt, ...)
{
	(void)fmt;
}

/* --- --- */

/* In a child the pages of the rings are others, and empty. */
static void goes(struct kit_device *d)
{
	memset(rings, 0, sizeof(rings));
	events = 0;
	d->port = 0;
	d->resume(d);
}

static void nothing_was_done(void)
{
	static const uint8_t none[4096];

	assert_int_equal(events, 0);
	assert_memory_equal(rings[0], none, sizeof(none));
	assert_memory_equal(rings[1], none, sizeof(none));
}

static void requests_fail(void **state)
{
	static struct kit_blk b;
	int status;

	(void)state;
	assert_true(kit_blk_open(&b, 0, 3));
	kit_blk_queue(&b, 0, BLKIF_OP_READ, 0, 512);
	kit_blk_queue(&b, 2, BLKIF_OP_WRITE, 8, 4096);
	kit_blk_flush(&b);
	assert_int_equal(events, 1);
	assert_int_equal(kit_blk_done(&b, &status), -1);
	goes(&b.dev);
	for (int i = 0; i < 2; i++) {
		status = BLKIF_RSP_OKAY;
		assert_int_equal(kit_blk_done(&b, &status), i * 2);
		assert_int_equal(status, BLKIF_RSP_ERROR);
	}
	assert_int_equal(kit_blk_done(&b, &status), -1);
	for (uint32_t i = 0; i < 200; i++) { /* more than a ring has room for */
		status = BLKIF_RSP_OKAY;
		kit_blk_queue(&b, 1, BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
		kit_blk_flush(&b);
		assert_true(b.busy[1]);
		assert_int_equal(kit_blk_done(&b, &status), 1);
		assert_int_equal(status, BLKIF_RSP_ERROR);
		assert_false(b.busy[1]);
	}
	assert_true(b.dev.quiesce(&b.dev)); /* nothing is to be waited for */
	nothing_was_done();
	for (uint32_t i = 0; i < b.slots; i++)
		free(b.buf[i]);
}

static void never_called(void *arg, const struct kit_frame *f)
{
	(void)arg;
	(void)f;
	fail_msg("a frame of a vif that does not exist");
}

static void frames_are_dropped(void **state)
{
	static struct kit_net n;
	static uint8_t bytes[60];
	struct kit_frame f = {.len = sizeof(bytes), .parts = 1};

	(void)state;
	f.part[0].data = bytes;
	f.part[0].len = sizeof(bytes);
	assert_true(kit_net_open(&n, 0, 8));
	assert_int_equal(kit_net_poll(&n, 8, never_called, NULL), 0);
	assert_true(kit_net_send(&n, &f));
	kit_net_flush(&n);
	assert_true(kit_net_send(&n, &f)); /* not flushed yet */
	goes(&n.dev);
	assert_int_equal(n.lives, 1);
	for (int i = 0; i < 20; i++) {
		assert_false(kit_net_send(&n, &f));
		kit_net_flush(&n);
		assert_false(kit_net_room(&n, 1));
		assert_int_equal(kit_net_poll(&n, 8, never_called, NULL), 0);
	}
	assert_int_equal(n.dropped, 20);
	nothing_was_done();
	for (uint32_t i = 0; i < n.buffers; i++) {
		free(n.tx_page[i]);
		free(n.rx_page[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_fail),
		cmocka_unit_test(frames_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
