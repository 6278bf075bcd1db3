/* SPDX-License-Identifier: BSD-3-Clause */
/* Names beside xenstored: restarts, no memory, a xenstored that dies, more news than are taken. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/engine/devices/devices_test.h"
#include "split-toolstack/engine/devices/mirror.h"
#include "split-toolstack/engine/devices/set.h"
#include "store/store.h"
#include "split-toolstack/engine/guest/guest_test.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "tests/unit/engine/xenstored_help.h"
#include "split-toolstack/engine/parts/parts.h"

/* --- memory that fails --- */

static int fail_in = -1; /* so many more calls of the loop's thread succeed, then one fails */
static pthread_t loop_thread;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static bool must_fail(void)
{
	return fail_in >= 0 && pthread_equal(pthread_self(), loop_thread) && fail_in-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return must_fail() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

static void go_beside(void)
{
	engine_set_store(en, STORE_BESIDE);
	assert_int_equal(devices_test_mirror_open(en), 0);
}

static int start(void **state)
{
	loop_thread = pthread_self();
	fail_in = -1;
	xs_reset();
	if (setup(state) < 0)
		return -1;
	log_set_level(LOG_ERROR + 1);
	go_beside();
	return 0;
}

static int stop(void **state)
{
	fail_in = -1;
	assert_int_equal(teardown(state), 0);
	assert_int_equal(atomic_load(&xs_opened), 0);
	return 0;
}

#define BESIDE(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* A node of the VM's own, or of its domain. */
static const char *of_uuid(const uint8_t uuid[16], const char *leaf)
{
	static char path[96];
	char text[37];

	uuid_print(uuid, text);
	(void)snprintf(path, sizeof(path), "/vm/%s%s", text, leaf);
	return path;
}

static const char *of_vm(const struct vm *vm, const char *leaf)
{
	return of_uuid(vm_uuid_bytes(vm), leaf);
}

static const char *of_domain(uint32_t domid, const char *leaf)
{
	static char path[96];

	(void)snprintf(path, sizeof(path), "/local/domain/%u%s", domid, leaf);
	return path;
}

static struct vm *make(const char *name)
{
	struct result r = create(guest(name, DOM_PV, 256), 0);

	assert_int_equal(r.rc, 0);
	return r.vm;
}

static bool shown_as(const struct vm *vm, const char *name)
{
	return xs_has(of_domain(vm_domid(vm), "/name"), name) && xs_has(of_vm(vm, "/name"), name);
}

/* Another toolstack makes a domain. */
static void theirs(uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domain_config c = {.domid = domid, .max_vcpus = 1};
	uint32_t id;

	memcpy(c.uuid, uuid, sizeof(c.uuid));
	assert_int_equal(xen_domain_create(engine_xen(en), &c, &id), 0);
	assert_int_equal(id, domid);
}

static const char *name_of(uint32_t domid)
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), domid, &info), 0);
	return names_of(en, &info);
}

static bool is_called(uint32_t domid, const char *name)
{
	const char *has = name_of(domid);

	return has && strcmp(has, name) == 0;
}

/* --- the tests --- */

static void vms_have_their_names_there(void **state)
{
	struct vm *vm = make("web");
	uint32_t domid = vm_domid(vm);
	char path[96];

	(void)state;
	until(shown_as(vm, "web"));
	(void)snprintf(path, sizeof(path), "%s", of_vm(vm, ""));
	assert_true(xs_has(of_domain(domid, "/vm"), path));
	assert_true(xs_has(of_vm(vm, "/uuid"), path + 4));
	(void)snprintf(path, sizeof(path), "/libxl/%u/type", domid);
	assert_true(xs_has(path, "pv"));
	assert_int_equal(vm_rename(vm, "www", NULL), 0);
	until(shown_as(vm, "www"));
	(void)snprintf(path, sizeof(path), "%s", of_vm(vm, ""));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	until(xs_has(path, NULL) && xs_has("/local/domain", NULL) && xs_has("/libxl", NULL));
	settle(0);
}

/* One that ends before anything was written leaves nothing, and nothing is asked. */
static void a_short_life_is_not_told(void **state)
{
	struct vm *vm = make("web");
	uint64_t asked = mirror_asked(engine_mirror(en));

	(void)state;
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	for (int i = 0; i < 20; i++)
		tick();
	assert_int_equal(mirror_asked(engine_mirror(en)), asked);
	assert_true(xs_has("/local/domain", NULL));
}

/* It ends while it waits for its restart: its last domain is gone, and it gets no other. */
static void a_restart_that_is_not_leaves_nothing(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		struct vm_config c = guest("loop", DOM_PV, 256);
		struct vm *vm;
		char path[96];

		c.on_crash = VM_RESTART;
		vm = create(c, 0).vm;
		(void)snprintf(path, sizeof(path), "%s", of_vm(vm, ""));
		until(shown_as(vm, "loop"));
		fake_end(vm_domid(vm), SHUTDOWN_crash);
		until(vm_state(vm) == VM_BUILDING);
		if (told) /* that the domain has gone */
			until(xs_has("/local/domain", NULL));
		assert_int_equal(vm_destroy(vm, NULL), 0);
		assert_int_equal(vm_rm(vm, NULL), 0);
		until(xs_has(path, NULL) && xs_has("/local/domain", NULL) &&
		      xs_has("/libxl", NULL));
		settle(0);
	}
}

static void tools_rename(void **state)
{
	struct vm *vm = make("web");
	struct vm *other = make("other");

	(void)state;
	until(shown_as(vm, "web") && shown_as(other, "other"));
	xs_put_in(of_domain(vm_domid(vm), "/name"), "new");
	xs_put_in(of_vm(vm, "/name"), "new");
	until(strcmp(vm_name(vm), "new") == 0);
	assert_ptr_equal(engine_find(en, "new"), vm);
	/* what cannot be is put back */
	xs_put_in(of_domain(vm_domid(vm), "/name"), "other");
	xs_put_in(of_vm(vm, "/name"), "other");
	until(shown_as(vm, "new"));
	xs_put_in(of_vm(vm, "/name"), "not possible");
	until(shown_as(vm, "new"));
	assert_string_equal(vm_name(vm), "new");
	/* removed by a tool: the VM keeps its name */
	xs_put_in(of_vm(vm, ""), NULL);
	turn(NULL);
	assert_string_equal(vm_name(vm), "new");
}

/* What the thread read before our last word was written is no word of a tool. */
static void old_news_are_no_rename(void **state)
{
	struct vm *vm = make("web");
	uint64_t asked;

	(void)state;
	until(shown_as(vm, "web"));
	assert_int_equal(vm_rename(vm, "b", NULL), 0);
	assert_true(names_news(en, of_vm(vm, "/name"), "web", UINT64_MAX)); /* not written so far */
	assert_string_equal(vm_name(vm), "b");
	until(!names_test_untold(vm));
	asked = mirror_asked(engine_mirror(en));
	assert_true(names_news(en, of_vm(vm, "/name"), "web", asked - 1));
	assert_string_equal(vm_name(vm), "b");
	assert_true(names_news(en, of_vm(vm, "/name"), "c", asked));
	assert_string_equal(vm_name(vm), "c");
}

static void others_have_their_names_here(void **state)
{
	static const uint8_t uuid[16] = {1, 2, 3}, stale[16] = {9};
	struct vm *vm = make("web");
	struct result r;
	struct err e = {0};

	(void)state;
	theirs(7, uuid);
	assert_null(name_of(7));
	xs_put_in(of_uuid(uuid, "/name"), "theirs");
	xs_put_in(of_uuid(stale, "/name"), "theirs"); /* of a domain that is gone */
	until(is_called(7, "theirs"));
	r = create(guest("theirs", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "another toolstack"));
	assert_int_equal(vm_rename(vm, "theirs", &e), -EEXIST);
	assert_string_equal(vm_name(vm), "web");
	xs_put_in(of_uuid(uuid, "/name"), "others");
	until(is_called(7, "others"));
	assert_int_equal(vm_rename(vm, "theirs", &e), 0);
	/* gone without a word */
	fake_vanish(7);
	r = create(guest("others", DOM_PV, 256), 0);
	assert_int_equal(r.rc, 0);
	theirs(7, uuid);
	assert_null(name_of(7));
	xs_put_in(of_uuid(uuid, "/name"), "third");
	until(is_called(7, "third"));
	xs_put_in(of_uuid(uuid, ""), NULL);
	until(!name_of(7));
	fake_vanish(7);
}

/* What a daemon that was killed has left there: of a domain that is gone, of one whose id is
 * another toolstack's by now, of a VM's domain before this one. */
static void what_was_left_goes(void **state)
{
	static const uint8_t gone[16] = {1}, taken[16] = {2}, other[16] = {3};
	struct vm *vm = make("web");

	(void)state;
	until(shown_as(vm, "web"));
	mirror_close(engine_mirror(en));
	xs_reset();
	theirs(8, other);
	xs_put_in(of_uuid(gone, "/" MIRROR_MARK), "7");
	xs_put_in(of_uuid(gone, "/name"), "gone");
	xs_put_in(of_domain(7, "/name"), "gone");
	xs_put_in("/libxl/7/type", "pv");
	xs_put_in(of_uuid(taken, "/" MIRROR_MARK), "8");
	xs_put_in(of_uuid(other, "/name"), "other");
	xs_put_in(of_domain(8, "/name"), "other");
	xs_put_in("/libxl/8/type", "pv");
	xs_put_in(of_vm(vm, "/" MIRROR_MARK), "9");
	xs_put_in(of_domain(9, "/name"), "web");
	go_beside();
	names_changed(vm);
	until(xs_has(of_uuid(gone, ""), NULL) && xs_has(of_uuid(taken, ""), NULL));
	until(xs_has(of_domain(7, ""), NULL) && xs_has(of_domain(9, ""), NULL));
	assert_true(xs_has("/libxl/7", NULL));
	assert_true(xs_has(of_domain(8, "/name"), "other") && xs_has("/libxl/8/type", "pv"));
	until(shown_as(vm, "web") && is_called(8, "other"));
	fake_vanish(8);
}

/* A VM that was shown by the daemon before this one ends before this one has written anything. */
static void what_the_last_daemon_wrote_goes(void **state)
{
	struct vm *vm = make("web");
	char path[96], domid[16];

	(void)state;
	until(shown_as(vm, "web"));
	(void)snprintf(domid, sizeof(domid), "%u", vm_domid(vm));
	(void)snprintf(path, sizeof(path), "%s", of_vm(vm, ""));
	names_forget(vm); /* as after a start */
	assert_true(names_news(en, of_vm(vm, "/" MIRROR_MARK), domid, 0));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	until(xs_has(path, NULL) && xs_has("/local/domain", NULL) && xs_has("/libxl", NULL));
	settle(0);
}

/* The end of the daemon writes what was to be written. */
static void the_last_words_are_written(void **state)
{
	struct vm *vm = make("web");
	struct engine_conf c = conf();

	(void)state;
	until(shown_as(vm, "web"));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	engine_close(en);
	assert_true(xs_has("/vm", NULL) && xs_has("/local/domain", NULL) && xs_has("/libxl", NULL));
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
}

static void xenstored_is_gone(void **state)
{
	struct vm *vm = make("web");

	(void)state;
	until(shown_as(vm, "web"));
	xs_dies();
	until(mirror_is_dead(engine_mirror(en)));
	assert_int_equal(vm_rename(vm, "new", NULL), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	vm = make("new");
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	assert_false(names_settle(en, 1));
}

/* Each call that fails once: the name comes all the same. */
static void no_memory(void **state)
{
	struct vm *vm = make("web");

	(void)state;
	for (int n = 0; n < 12; n++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "web%d", n);
		assert_int_equal(vm_rename(vm, name, NULL), 0);
		for (fail_in = n; names_test_untold(vm);) {
			(void)names_settle(en, 1);
			(void)usleep(100); /* the thread takes what was asked for */
		}
		fail_in = -1;
		until(shown_as(vm, name));
	}
	/* a mark and a foreign name */
	fail_in = 0;
	assert_true(
		names_news(en, "/vm/11111111-2222-4333-8444-555555555555/" MIRROR_MARK, "7", 0));
	fail_in = 0;
	assert_true(names_news(en, "/vm/11111111-2222-4333-8444-555555555555/name", "x", 0));
	fail_in = -1;
	assert_int_equal(names_check(en, "x", NULL), 0);
}

/* A loop that was away while a tool wrote a lot has all of it afterwards. */
static void many_news(void **state)
{
	static const uint8_t uuid[16] = {1, 2, 3};
	char name[64];

	(void)state;
	theirs(7, uuid);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "a-name-of-some-length-%032d", i);
		xs_put_in(of_uuid(uuid, "/name"), name);
	}
	until(is_called(7, name));
	fake_vanish(7);
}

/* "xl vcpu-set" writes there; the guest looks into our store. */
static void cpus_of_a_guest_with_a_view(void **state)
{
	struct vm_config c = guest("view", DOM_PV, 4096);
	struct store *s = engine_store(en);
	struct result r;
	char at[96];

	(void)state;
	free(c.kernel);
	c.kernel = strdup(GUEST_VIEW);
	c.maxvcpus = 2;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	until(shown_as(r.vm, "view"));
	(void)snprintf(at, sizeof(at), "%s", of_domain(vm_domid(r.vm), "/cpu/1/availability"));
	assert_string_equal(store_get(s, at, NULL), "offline");
	xs_put_in(at, "online");
	until(strcmp(store_get(s, at, NULL), "online") == 0);
	xs_put_in(at, "nonsense");
	xs_put_in(of_domain(vm_domid(r.vm), "/cpu/2/availability"), "online"); /* it has none */
	xs_put_in(at, "offline");
	until(strcmp(store_get(s, at, NULL), "offline") == 0);
	assert_null(store_get(s, of_domain(vm_domid(r.vm), "/cpu/2/availability"), NULL));
	assert_int_equal(xs_watches(), 2);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	until(xs_watches() == 1 && xs_has("/local/domain", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BESIDE(vms_have_their_names_there),
		BESIDE(a_short_life_is_not_told),
		BESIDE(a_restart_that_is_not_leaves_nothing),
		BESIDE(tools_rename),
		BESIDE(old_news_are_no_rename),
		BESIDE(others_have_their_names_here),
		BESIDE(what_was_left_goes),
		BESIDE(what_the_last_daemon_wrote_goes),
		BESIDE(the_last_words_are_written),
		BESIDE(xenstored_is_gone),
		BESIDE(no_memory),
		BESIDE(many_news),
		BESIDE(cpus_of_a_guest_with_a_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
