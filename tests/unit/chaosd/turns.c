/* SPDX-License-Identifier: BSD-3-Clause */
/* Channel and console of a guest that writes as fast as its client reads, and events of a client
 * that reads late: a turn of the loop ends, others are served, and nothing is lost. */
#include "tests/unit/chaosd/server_help.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RING	2048u /* what a read finds */
#define AT_ONCE 16u
#define CHANNEL (PROTO_F_FOLLOW | PROTO_F_AGENT)
#define CONSOLE (PROTO_F_FOLLOW | PROTO_F_LOG)

/* --- in place of the guest --- */

static uint32_t reads, left; /* so often the ring is full again; at its end it is empty */

int __wrap_vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e);
int __wrap_vm_channel_epoch(const struct vm *vm, uint32_t *out, struct err *e)
{
	(void)vm;
	(void)e;
	*out = 0;
	return 0;
}

int __wrap_vm_channel_read(struct vm *vm, void *buf, uint32_t len);
int __wrap_vm_channel_read(struct vm *vm, void *buf, uint32_t len)
{
	(void)vm;
	if (!left)
		return 0;
	assert_true(len >= RING);
	memset(buf, 'x', RING);
	left--;
	reads++;
	return (int)RING;
}

#define LINE 1000u /* what a read of the console's log finds */

void __wrap_vm_console_range(struct vm *vm, struct vm_console_range *out);
void __wrap_vm_console_range(struct vm *vm, struct vm_console_range *out)
{
	(void)vm;
	*out = (struct vm_console_range){.end = (uint64_t)(reads + left) * LINE};
}

int __wrap_vm_console_read(struct vm *vm, uint64_t pos, void *buf, uint32_t len, struct err *e);
int __wrap_vm_console_read(struct vm *vm, uint64_t pos, void *buf, uint32_t len, struct err *e)
{
	(void)vm;
	(void)e;
	assert_true(left > 0 && len >= LINE);
	assert_int_equal(pos, (uint64_t)reads * LINE);
	memset(buf, 'x', LINE);
	left--;
	reads++;
	return (int)LINE;
}

static uint32_t take(struct client *c)
{
	struct wire_field f;
	struct wire_in in;
	uint32_t n = 0;

	while (readable(c)) {
		assert_int_equal(client_receive(c, &in, NULL), 0);
		if (wire_find(&in, PROTO_DATA, &f))
			n += f.len;
	}
	return n;
}

/* --- the test --- */

static void has_its_turn(uint32_t flags, uint32_t size)
{
	struct client c;
	struct client other;
	uint32_t turns = 0;
	uint32_t got = 0;

	connects(&c);
	connects(&other);
	ask_create(&other, "v");
	answered(&other);
	left = 1000;
	reads = 0;
	ask_about(&c, PROTO_REQ_CONSOLE, "v", flags);
	while (got < 1000 * size) {
		uint32_t before = reads;

		assert_true(turns++ < 10000);
		(void)ev_run(loop, EVRUN_NOWAIT);
		/* with the request a turn of its own may come */
		assert_true(reads - before <= 2 * AT_ONCE);
		got += take(&c);
		if (turns == 10) { /* meanwhile */
			ask_create(&other, "w");
			answered(&other);
			assert_true(left > 0);
		}
	}
	assert_int_equal(got, 1000 * size);
	assert_true(turns > 1000 / (2 * AT_ONCE));
	client_close(&c);
	client_close(&other);
	settle(2);
}

static void a_channel_has_its_turn(void **state)
{
	(void)state;
	has_its_turn(CHANNEL, RING);
}

static void a_console_has_its_turn(void **state)
{
	(void)state;
	has_its_turn(CONSOLE, LINE);
}

/* While more is there the client goes, or the VM. */
static void what_has_a_turn_ends(void **state)
{
	struct client c;
	struct client other;

	(void)state;
	for (int i = 0; i < 4; i++) {
		connects(&c);
		connects(&other);
		ask_create(&other, "v");
		answered(&other);
		left = 1000;
		reads = 0;
		ask_about(&c, PROTO_REQ_CONSOLE, "v", i < 2 ? CHANNEL : CONSOLE);
		(void)ev_run(loop, EVRUN_NOWAIT);
		(void)ev_run(loop, EVRUN_NOWAIT);
		assert_true(left > 0);
		if (i % 2 == 0)
			client_close(&c);
		assert_int_equal(vm_destroy(engine_find(en, "v"), NULL), 0);
		settle(0);
		left = 0;
		if (i % 2 == 1)
			client_close(&c);
		client_close(&other);
		while (server_clients(server))
			(void)ev_run(loop, EVRUN_ONCE);
	}
}

/* One that reads nothing until its socket is full, and then all. */
static void what_a_subscriber_missed_comes_in_turns(void **state)
{
	struct client subs[2];
	struct client c;
	uint64_t last[2] = {0};
	uint32_t turns = 0;

	(void)state;
	connects(&c);
	for (uint32_t i = 0; i < 2; i++) {
		connects(&subs[i]);
		ask(&subs[i], PROTO_REQ_EVENTS);
	}
	for (uint32_t i = 0; i < 300; i++) {
		ask_create(&c, "v");
		answered(&c);
		assert_int_equal(vm_destroy(engine_find(en, "v"), NULL), 0);
		settle(0);
		(void)hear(&subs[0], &last[0]);
	}
	(void)hear(&subs[1], &last[1]); /* what the socket had */
	while (last[1] < last[0]) {
		uint32_t n;

		(void)ev_run(loop, EVRUN_NOWAIT);
		n = hear(&subs[1], &last[1]);
		assert_true(n <= 2 * AT_ONCE);
		turns += n > 0;
	}
	assert_true(turns > 10);
	client_close(&subs[0]);
	client_close(&subs[1]);
	client_close(&c);
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER(a_channel_has_its_turn), SERVER(a_console_has_its_turn),
		SERVER(what_has_a_turn_ends), SERVER(what_a_subscriber_missed_comes_in_turns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
