/* SPDX-License-Identifier: BSD-3-Clause */
/* Every malloc of chaosd's own code that serves a client fails once: an error, and nothing else. */
#include "tests/unit/chaosd/server_help.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* The call from now on that fails; 0: none. Only while the loop turns: not the test's own. */
static uint32_t fail_at, calls;
static bool armed;

static bool fails(void)
{
	return armed && ++calls == fail_at;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static void turns(void)
{
	for (int i = 0; i < 6; i++) {
		armed = true;
		(void)ev_run(loop, EVRUN_NOWAIT);
		armed = false;
	}
}

static void text(struct wire_out *w, enum proto_id id, const char *s)
{
	if (s)
		wire_text(w, id, s);
}

/* On a connection of its own; whether there was an answer without an error. */
static bool asks(enum proto_op op, const char *what, const char *name, uint32_t flags)
{
	struct client c;
	struct wire_out w;
	struct pollfd p;
	struct wire_in in = {.h.op = 0};
	bool ok = false;

	assert_int_equal(client_open(&c, path, NULL), 0);
	client_begin(&c, &w, op);
	if (op == PROTO_REQ_CREATE) {
		char set[64];

		(void)snprintf(set, sizeof(set), "name=%s", name);
		wire_text(&w, PROTO_SET, set);
		wire_text(&w, PROTO_SET, "kernel=" GUEST_NOOP);
		wire_text(&w, PROTO_SET, "memory=256K");
		wire_text(&w, PROTO_SET, "extra=some words");
	} else {
		text(&w, PROTO_WHAT, what);
		text(&w, op == PROTO_REQ_POOL_SET ? PROTO_TEXT : PROTO_NAME, name);
	}
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	(void)client_send(&c, &w, NULL, 0, NULL);
	turns();
	p = (struct pollfd){c.fd, POLLIN, 0};
	while (!ok && poll(&p, 1, 0) == 1 && client_receive(&c, &in, NULL) == 0)
		ok = in.h.op == PROTO_OK;
	client_close(&c);
	turns();
	return ok;
}

static bool life(void)
{
	bool ok = asks(PROTO_REQ_CREATE, NULL, "web", 0);

	ok = asks(PROTO_REQ_INFO, "web", NULL, 0) && ok;
	ok = asks(PROTO_REQ_PAUSE, "web", NULL, 0) && ok;
	ok = asks(PROTO_REQ_UNPAUSE, "web", NULL, 0) && ok;
	ok = asks(PROTO_REQ_RENAME, "web", "www", 0) && ok;
	ok = asks(PROTO_REQ_LIST, NULL, NULL, PROTO_F_ALL) && ok;
	ok = asks(PROTO_REQ_CONSOLE, "www", NULL, PROTO_F_LOG) && ok;
	(void)asks(PROTO_REQ_WAIT, "www", NULL, 0);
	(void)asks(PROTO_REQ_EVENTS, NULL, NULL, 0);
	ok = asks(PROTO_REQ_POOL_SET, NULL, "type=pv memory=256K low=1 high=1", 0) && ok;
	ok = asks(PROTO_REQ_POOL, NULL, NULL, 0) && ok;
	ok = asks(PROTO_REQ_POOL_SET, NULL, "type=pv memory=256K low=0 high=0", 0) && ok;
	ok = asks(PROTO_REQ_HOST, NULL, NULL, 0) && ok;
	ok = asks(PROTO_REQ_METRICS, NULL, NULL, 0) && ok;
	ok = asks(PROTO_REQ_DESTROY, "www", NULL, 0) && ok;
	return asks(PROTO_REQ_RM, "www", NULL, 0) && ok;
}

/* What a failing request left behind goes as anything goes. */
static void tidy(void)
{
	static const char *const names[] = {"web", "www"};
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 256};

	(void)pool_set(en, &f, NULL);
	for (int i = 0; i < 2; i++) {
		struct vm *vm = engine_find(en, names[i]);

		if (vm && vm_state(vm) != VM_ENDED)
			assert_int_equal(vm_destroy(vm, NULL), 0);
	}
	settle(0);
	for (int i = 0; i < 2; i++) {
		struct vm *vm = engine_find(en, names[i]);

		if (vm)
			assert_int_equal(vm_rm(vm, NULL), 0);
	}
}

static void every_malloc_may_fail(void **state)
{
	uint32_t points;
	uint32_t told = 0;

	(void)state;
	assert_true(life());
	calls = fail_at = 0;
	assert_true(life());
	points = calls;
	assert_true(points > 50);
	for (fail_at = 1; fail_at <= points; fail_at++) {
		calls = 0;
		told += !life();
		tidy();
		only_the_daemon_is_left();
	}
	fail_at = 0;
	assert_true(life());
	print_message("%u points, %u of them told\n", points, told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER(every_malloc_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
