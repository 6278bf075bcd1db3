/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's channel: connected as the guest says, bytes both ways, a guest that is hostile. */
#include "tests/unit/engine/engine_help.h"
#include "tests/unit/engine/kernel_help.h"
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/devtree.h"
#include "noxs/abi.h"
#include "split-toolstack/engine/guest/channel.h"
#include "split-toolstack/engine/guest/guest_test.h"
#include "split-toolstack/engine/guest/storehost.h"

#define MEM_KIB (32u << 10)
#define QUEUE	65536u

static struct vm *vm;

/* --- help --- */

static void make(uint32_t agent)
{
	struct vm_config c = linux_guest("web", DOM_PVH, MEM_KIB);
	struct result r;

	c.agent = agent;
	r = create(c, 0);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	vm = r.vm;
}

static void gone(void)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

static void says(const char *leaf, uint32_t value)
{
	const struct devtree_id id = {"console", vm_domid(vm), 1};
	char path[DEVTREE_PATH_MAX];
	char text[DEVTREE_PATH_MAX + 16];
	struct client frontend;

	devtree_front(&id, leaf, path);
	(void)snprintf(text, sizeof(text), "%s|%u", path, value);
	client_open(&frontend, engine_store(en), vm_domid(vm), false);
	assert_string_equal(ask(&frontend, XS_WRITE, 0, text), "OK|");
	store_conn_close(frontend.c);
}

static void connects(void)
{
	says("ring-ref", 8);
	says("port", 1);
	says("state", DEVTREE_INITIALISED);
}

static uint32_t back_state(void)
{
	const struct devtree_id id = {"console", vm_domid(vm), 1};
	char path[DEVTREE_PATH_MAX];
	uint32_t state = 0;

	devtree_back(&id, "state", path);
	assert_int_equal(store_get_u32(engine_store(en), path, &state), 0);
	return state;
}

static struct noxs_control *page(void)
{
	uint32_t queued;

	return (struct noxs_control *)(uintptr_t)channel_test_page(vm, &queued);
}

static uint32_t queued(void)
{
	uint32_t n;

	(void)channel_test_page(vm, &n);
	return n;
}

static uint32_t epoch(void)
{
	uint32_t n = 0;

	assert_int_equal(vm_channel_epoch(vm, &n, NULL), 0);
	return n;
}

static void guest_writes(const char *text)
{
	struct noxs_control *p = page();

	for (; *text; text++)
		p->console_out[p->out_prod++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)*text;
}

static uint8_t nth(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* --- tests --- */

static void only_with_the_key(void **state)
{
	uint32_t n;
	struct err e = {0};

	(void)state;
	make(0);
	assert_int_equal(vm_channel_epoch(vm, &n, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "agent=1"));
	assert_int_equal(vm_channel_write(vm, "x", 1, &e), -EPIPE);
	gone();
}

static void connects_and_lets_go(void **state)
{
	char text[64];

	(void)state;
	make(1);
	assert_null(page());
	assert_int_equal(epoch(), 0);
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 0);
	assert_int_equal(vm_channel_write(vm, "early", 5, NULL), 5); /* for the ring that comes */
	connects();
	assert_non_null(page());
	assert_int_equal(epoch(), 1);
	assert_int_equal(back_state(), DEVTREE_CONNECTED);
	assert_int_equal(page()->in_prod, 0); /* what was before it was for another ring */
	guest_writes("hello");
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(page()->out_cons, 5);
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 0);
	says("state", DEVTREE_CLOSED);
	assert_null(page());
	connects();
	assert_int_equal(epoch(), 2);
	channel_close(vm); /* its client has to notice that the domain will be gone */
	assert_int_equal(epoch(), 3);
	gone();
}

/* Without a reference or port, or with ones that are not its own, nothing is mapped. */
static void a_ring_that_is_none(void **state)
{
	struct fake_count before, after;

	(void)state;
	make(1);
	fake_count(&before);
	says("state", DEVTREE_INITIALISED);
	assert_null(page());
	says("ring-ref", 8);
	says("state", DEVTREE_INITIALISED);
	assert_null(page());
	says("port", 1);
	for (uint32_t i = 1; i <= 2; i++) {
		fake_fail_at(i, ENOENT);
		says("state", DEVTREE_INITIALISED);
		assert_non_null(fake_failed());
		fake_fail_at(0, 0);
		assert_null(page());
	}
	fake_count(&after);
	assert_int_equal(after.mapped_pages, before.mapped_pages);
	assert_int_equal(after.ports, before.ports);
	assert_int_equal(epoch(), 0);
	connects();
	assert_int_equal(epoch(), 1);
	gone();
}

/* In order, whatever room there is, and no more than the queue has. */
static void input_waits_for_room(void **state)
{
	static uint8_t bytes[QUEUE + 4096];
	uint32_t got = 0;
	int n;

	(void)state;
	make(1);
	connects();
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = nth(i);
	n = vm_channel_write(vm, bytes, sizeof(bytes), NULL);
	assert_int_equal(n, QUEUE);
	assert_int_equal(page()->in_prod, NOXS_CONSOLE_IN_SIZE);
	assert_int_equal(queued(), QUEUE - NOXS_CONSOLE_IN_SIZE);
	n += vm_channel_write(vm, bytes + n, (uint32_t)(sizeof(bytes) - (size_t)n), NULL);
	assert_int_equal(n, QUEUE + NOXS_CONSOLE_IN_SIZE);
	while (got < (uint32_t)n) {
		struct noxs_control *p = page();

		assert_true(p->in_cons != p->in_prod);
		for (uint32_t k = 0; p->in_cons != p->in_prod && k < 300; k++, got++)
			assert_int_equal(p->console_in[p->in_cons++ % NOXS_CONSOLE_IN_SIZE],
					 nth(got));
		channel_test_event(vm);
	}
	assert_int_equal(queued(), 0);
	assert_int_equal(page()->in_cons, page()->in_prod);
	gone();
}

static void impossible_indexes(void **state)
{
	char text[64];

	(void)state;
	make(1);
	connects();
	page()->out_prod = NOXS_CONSOLE_OUT_SIZE + 1;
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 0);
	page()->out_prod = 5; /* it is over for this ring */
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 0);
	connects();
	guest_writes("again");
	assert_int_equal(vm_channel_read(vm, text, sizeof(text)), 5);
	page()->in_cons = page()->in_prod + 1;
	assert_int_equal(vm_channel_write(vm, "x", 1, NULL), 1);
	assert_int_equal(queued(), 1);
	assert_int_equal(page()->in_prod, 0);
	gone();
}

int main(void)
{
	const struct CMUnitTest tests[] = {LIFE(only_with_the_key), LIFE(connects_and_lets_go),
					   LIFE(a_ring_that_is_none), LIFE(input_waits_for_room),
					   LIFE(impossible_indexes)};

	return cmocka_run_group_tests(tests, make_kernel, remove_kernel);
}
