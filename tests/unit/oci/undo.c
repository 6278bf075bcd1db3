/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of chaosd: a VM that cannot be removed stays a container, and only a VM that is not there
 * has ended. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci/ahead.h"
#include "oci/control.h"
#include "oci/monitor.h"
#include "oci/pod.h"
#include "oci/undo.h"
#include "oci/vm.h"

static char folder[] = "/tmp/chaos-unit-undo-XXXXXX";
static char path[64];
static const struct oci oci = {.root = path};

/* --- in place of chaosd --- */

static int open_rc, call_rc, refused; /* what they return; the errno of an answer */
static unsigned int removals;

int chaos_open(struct chaos **out, const char *socket, struct chaos_error *e)
{
	(void)socket;
	*out = open_rc ? NULL : (struct chaos *)(uintptr_t)8;
	if (open_rc && e)
		(void)snprintf(e->message, sizeof(e->message), "chaosd does not answer");
	return open_rc;
}

void chaos_close(struct chaos *c)
{
	(void)c;
}

void chaos_request_init(struct chaos_request *rq, enum chaos_op op)
{
	memset(rq, 0, sizeof(*rq));
	rq->op = op;
}

int chaos_call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
	       int (*each)(const struct chaos_reply *r, void *arg), void *arg,
	       struct chaos_error *e)
{
	(void)c;
	(void)each;
	(void)arg;
	removals += rq->op == CHAOS_RM;
	r->error = refused;
	if (e)
		(void)snprintf(e->message, sizeof(e->message), "chaosd says no");
	return refused ? -refused : call_rc;
}

static int ready = -1; /* a file that can be read always */
static unsigned int consoles, given, errors;
static int error_code;

int chaos_fd(const struct chaos *c)
{
	(void)c;
	return ready;
}

int chaos_send(struct chaos *c, const struct chaos_request *rq, uint32_t *tag,
	       struct chaos_error *e)
{
	(void)c;
	(void)e;
	consoles += rq->op == CHAOS_CONSOLE;
	if (tag)
		*tag = 5;
	return 0;
}

/* Some errors, one a connection, and then the VM's end. */
int chaos_receive(struct chaos *c, struct chaos_reply *r, int timeout_ms, struct chaos_error *e)
{
	(void)c;
	(void)timeout_ms;
	(void)e;
	memset(r, 0, sizeof(*r));
	r->tag = 5;
	r->last = true;
	if (given++ < errors) {
		r->error = error_code;
		return 0;
	}
	r->has_vm = true;
	r->vm.exit_code = 3;
	(void)snprintf(r->vm.reason, sizeof(r->vm.reason), "poweroff");
	return 0;
}

static int leave_rc;

int pod_leave(const struct container *c, const struct oci *o, struct err *e)
{
	(void)c;
	(void)o;
	return leave_rc ? err_set(e, -leave_rc, "it does not leave") : 0;
}

void control_serve(int listener, control_fn *fn, void *ctx)
{
	(void)listener;
	(void)fn;
	(void)ctx;
}

int control_unknown(const struct control_request *rq, struct err *e)
{
	(void)rq;
	return err_set(e, EINVAL, "unknown");
}

/* --- undo --- */

static void make_one(struct container *c, const char *pod)
{
	const struct bundle b = {.path = folder};
	struct err e = {0};

	assert_int_equal(container_new(c, &oci, "x", &b, &e), 0);
	if (pod)
		assert_int_equal(container_set_pod(c, pod, "", &e), 0);
	open_rc = call_rc = refused = leave_rc = 0;
	removals = 0;
}

/* What "delete" does later. */
static void check_left(struct container *c, bool is_left)
{
	struct err e = {0};

	container_close(c);
	assert_int_equal(container_open(c, &oci, "x", &e), is_left ? 0 : -ENOENT);
	open_rc = call_rc = refused = leave_rc = 0;
	if (is_left)
		assert_int_equal(undo_container(c, &oci, true, &e), 0);
	container_close(c);
}

static void test_undo(void **state)
{
	struct container c;
	struct err e = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		make_one(&c, NULL);
		open_rc = i == 0 ? -ECONNREFUSED : 0;
		call_rc = i == 1 ? -EPIPE : 0;
		refused = i == 2 ? ENOMEM : 0;
		(void)err_set(&e, EIO, "no VM");
		undo_create(&c, &oci, true, &e);
		assert_int_equal(e.code, EIO);
		assert_string_equal(e.msg,
				    i == 0 ? "no VM; it could not be removed: chaosd does not "
					     "answer; \"chaos-oci delete --force x\" does that"
					   : "no VM; it could not be removed: chaosd says no; "
					     "\"chaos-oci delete --force x\" does that");
		check_left(&c, true);
	}
	for (int i = 0; i < 3; i++) { /* it is not there; or never was */
		make_one(&c, NULL);
		refused = i == 0 ? ESRCH : 0;
		open_rc = i == 1 ? -ECONNREFUSED : 0;
		(void)err_set(&e, EIO, "no VM");
		undo_create(&c, &oci, i != 1, &e);
		assert_string_equal(e.msg, "no VM");
		assert_int_equal(removals, i != 1);
		check_left(&c, false);
	}
	make_one(&c, "p");
	leave_rc = -EBUSY;
	undo_create(&c, &oci, true, &e);
	assert_non_null(strstr(e.msg, "it does not leave"));
	assert_int_equal(removals, 0);
	check_left(&c, true);
}

static void test_make(void **state)
{
	struct plan p = {.kernel_fd = -1, .initrd_fd = -1};
	struct err e = {0};
	bool there = true;

	(void)state;
	open_rc = -ECONNREFUSED;
	assert_int_equal(vm_make(&p, &there, &e), -ECONNREFUSED);
	assert_false(there);
	open_rc = 0;
	refused = ENOMEM;
	assert_int_equal(vm_make(&p, &there, &e), -ENOMEM);
	assert_false(there);
	refused = 0;
	call_rc = -EPIPE; /* before the answer */
	assert_int_equal(vm_make(&p, &there, &e), -EPIPE);
	assert_true(there);
	there = false;
	call_rc = 0;
	assert_int_equal(vm_make(&p, &there, &e), 0);
	assert_true(there);
}

/* --- the monitor --- */

static int watch(int code, unsigned int n)
{
	const struct monitor_stdio io = {.in = -1, .out = -1, .err = -1, .names = -1};
	struct container c = {.dir = -1};

	open_rc = 0;
	error_code = code;
	errors = n;
	given = consoles = 0;
	return monitor_run(&c, -1, &io);
}

static void test_console(void **state)
{
	(void)state;
	ready = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_true(ready >= 0);
	assert_int_equal(watch(0, 0), 3);
	assert_int_equal(watch(ENOMEM, 2), 3);
	assert_int_equal(consoles, 3);
	assert_int_equal(watch(EMFILE, 1), 3);
	assert_int_equal(watch(ESRCH, 1), 137);
	assert_int_equal(close(ready), 0);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/run", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(rmdir(path), 0);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_undo), cmocka_unit_test(test_make),
					   cmocka_unit_test(test_console)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
