/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's channel: every message once and in order, whatever bytes are lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/linux/link/link.h"

struct end {
	struct link link;
	uint8_t out[1 << 20];
	size_t len, most; /* that were on the way together */
	uint32_t taken, begun, sent, bells;
};

static void out(void *arg, const void *bytes, size_t len)
{
	struct end *e = arg;

	assert_true(len <= sizeof(e->out) - e->len);
	memcpy(e->out + e->len, bytes, len);
	e->len += len;
	e->most = e->len > e->most ? e->len : e->most;
}

static void fill(uint8_t *data, uint32_t number, size_t *len)
{
	*len = number * 37 % (LINK_MESSAGE + 1);
	for (size_t i = 0; i < *len; i++)
		data[i] = (uint8_t)(number % 3 ? number + i : 0);
}

static void message(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len)
{
	struct end *e = arg;
	uint8_t want[LINK_MESSAGE];
	size_t n;

	fill(want, e->taken, &n);
	assert_int_equal(type, e->taken % 251);
	assert_int_equal(session, e->taken % 16);
	assert_int_equal(len, n);
	assert_memory_equal(data, want, n);
	e->taken++;
}

static void begun(void *arg)
{
	((struct end *)arg)->begun++;
}

static void bell(void *arg)
{
	((struct end *)arg)->bells++;
}

static const struct link_ops ops = {out, message, begun, bell};
static struct end *host, *guest;

static int setup(void **state)
{
	(void)state;
	host = calloc(1, sizeof(*host));
	guest = calloc(1, sizeof(*guest));
	assert_true(host && guest);
	link_init(&host->link, true, &ops, host);
	link_init(&guest->link, false, &ops, guest);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(host);
	free(guest);
	return 0;
}

static void send_some(struct end *e)
{
	uint8_t data[LINK_MESSAGE];
	size_t len;

	for (;;) {
		fill(data, e->sent, &len);
		if (link_send(&e->link, (uint8_t)(e->sent % 251), (uint8_t)(e->sent % 16), data,
			      len) < 0)
			return;
		e->sent++;
	}
}

static void carry(struct end *from, struct end *to, size_t begin)
{
	static uint8_t bytes[1 << 20];
	size_t len = from->len;

	memcpy(bytes, from->out, len);
	from->len = 0;
	if (begin < len)
		link_input(&to->link, bytes + begin, len - begin);
}

static void in_order(void **state)
{
	(void)state;
	link_begin(&host->link, 77);
	carry(host, guest, 0); /* what it had for no host is gone */
	for (int i = 0; i < 400; i++) {
		send_some(host);
		send_some(guest);
		carry(host, guest, 0);
		carry(guest, host, 0);
	}
	assert_true(host->taken > 400 && guest->taken > 400);
	assert_int_equal(host->begun, 1);
	/* its ring has 2048 bytes */
	assert_true(guest->most <= 2048);
}

/* The same numbers in each run. */
static uint32_t some(uint32_t below)
{
	static uint32_t at = 1;

	at = at * 1664525u + 1013904223u;
	return (at >> 8) % below;
}

static void bytes_are_lost(void **state)
{
	(void)state;
	link_begin(&host->link, 77);
	carry(host, guest, 0); /* what it had for no host is gone */
	for (int i = 0; i < 4000; i++) {
		send_some(host);
		send_some(guest);
		carry(host, guest, some(8) == 0 ? some(3000) : 0);
		carry(guest, host, some(8) == 0 ? some(3000) : 0);
		if (i % 5 == 0)
			link_again(&host->link);
	}
	assert_true(host->taken > 400 && guest->taken > 400);
	assert_int_equal(guest->begun, 1);
}

static void another_host(void **state)
{
	(void)state;
	link_begin(&host->link, 77);
	send_some(host);
	carry(host, guest, 0);
	assert_int_equal(guest->begun, 1);
	send_some(guest);
	link_init(&host->link, true, &ops, host);
	host->taken = guest->taken = host->sent = guest->sent = 0;
	host->len = guest->len = 0;
	link_begin(&host->link, 78);
	carry(host, guest, 0);
	assert_int_equal(guest->begun, 2);
	for (int i = 0; i < 10; i++) {
		send_some(host);
		send_some(guest);
		carry(host, guest, 0);
		carry(guest, host, 0);
	}
	assert_true(host->taken > 10 && guest->taken > 10);
}

static void greeted_again(void **state)
{
	(void)state;
	link_begin(&host->link, 77);
	host->len = 0; /* nothing listens yet */
	link_call(&guest->link);
	carry(guest, host, 0);
	carry(host, guest, 0);
	assert_int_equal(guest->begun, 1);
	carry(guest, host, 0);
	assert_int_equal(host->begun, 1);
	link_call(&guest->link);
	carry(guest, host, 0);
	assert_int_equal(host->len, 0);
}

static void limits(void **state)
{
	static const uint8_t large[LINK_MESSAGE + 1];

	(void)state;
	assert_int_equal(link_send(&host->link, 1, 0, large, sizeof(large)), -EMSGSIZE);
	for (uint32_t i = 0; i < LINK_KEPT; i++)
		assert_int_equal(link_send(&host->link, 1, 0, NULL, 0), 0);
	assert_int_equal(link_send(&host->link, 1, 0, NULL, 0), -EAGAIN);
	/* what never begins makes nothing of it */
	memset(host->out, 'x', sizeof(host->out));
	link_input(&guest->link, host->out, sizeof(host->out));
	assert_int_equal(guest->len, 0);
	assert_int_equal(guest->taken, 0);
}

/* With a ring messages are records, and the channel has bells alone; they are rung again when it
 * was away. */
static void by_ring(void **state)
{
	uint8_t *pages = calloc(RING_ALL, RING_PAGE);
	struct ring h, g;
	struct ring_record rec;
	uint32_t n = 0;

	(void)state;
	assert_non_null(pages);
	link_begin(&host->link, 77);
	carry(host, guest, 0);
	carry(guest, host, 0);
	ring_init(&h, pages, true);
	ring_init(&g, pages, false);
	host->link.ring = &h;
	guest->link.ring = &g;
	assert_true(ring_sleeps_for_data(&h));
	send_some(guest);
	assert_true(guest->sent > 400 && !link_has_room(&guest->link, LINK_MESSAGE));
	carry(guest, host, 0);
	assert_int_equal(host->bells, 1);
	assert_int_equal(host->taken, 0);
	for (; ring_next(&h, &rec) > 0; n++) {
		uint8_t want[LINK_MESSAGE];
		uint8_t data[LINK_MESSAGE];
		size_t len;

		fill(want, n, &len);
		assert_int_equal(rec.len, len);
		ring_copy(data, &rec, 0, rec.len);
		assert_memory_equal(data, want, len);
		(void)ring_release(&h, &rec);
	}
	assert_int_equal(n, guest->sent);
	host->link.up = false; /* the channel is away: nothing is written on it */
	host->len = 0;
	link_bell(&host->link);
	assert_int_equal(host->len, 0);
	link_again(&host->link);
	carry(host, guest, 0);
	assert_int_equal(guest->bells, 1);
	carry(guest, host, 0);
	carry(host, guest, 0);
	assert_int_equal(host->bells, 3); /* its own, and that of the guest */
	assert_int_equal(guest->bells, 2);
	assert_int_equal(link_send(&host->link, 1, 1, pages, LINK_MESSAGE + 1), -EMSGSIZE);
	free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_are_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(another_host, setup, teardown),
		cmocka_unit_test_setup_teardown(greeted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(by_ring, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
