/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal when its folder is full, or a call fails: nothing that a guest was told is lost. */
#include "store/private.h"
#include "tests/unit/store/store_help.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define RING  XENSTORE_RING_SIZE
#define NODES 40u

/* --- calls that fail --- */

static bool full;	 /* no byte can be allocated */
static uint32_t calls;	 /* of those below */
static uint32_t fail_at; /* this one fails; 0: none */
static uint32_t lasts;	 /* and so many after it */

static bool fails(void)
{
	calls++;
	if (fail_at == 0 || calls < fail_at || calls > fail_at + lasts)
		return false;
	errno = ENOMEM;
	return true;
}

int __real_posix_fallocate64(int fd, off_t from, off_t len);
int __wrap_posix_fallocate64(int fd, off_t from, off_t len);
void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t from);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t from);
void *__real_mremap(void *at, size_t len, size_t to, int flags);
void *__wrap_mremap(void *at, size_t len, size_t to, int flags);
int __real_open64(const char *at, int flags, ...);
int __wrap_open64(const char *at, int flags, ...);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_renameat2(int a, const char *from, int b, const char *to, unsigned int flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned int flags);

int __wrap_posix_fallocate64(int fd, off_t from, off_t len)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (fails() || (full && from + len > size))
		return ENOSPC;
	return __real_posix_fallocate64(fd, from, len);
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
	return fails() ? MAP_FAILED : __real_mmap64(at, len, prot, flags, fd, from);
}

void *__wrap_mremap(void *at, size_t len, size_t to, int flags)
{
	return fails() ? MAP_FAILED : __real_mremap(at, len, to, flags);
}

int __wrap_open64(const char *at, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	if (fails() && flags & O_CREAT) {
		errno = ENOSPC;
		return -1;
	}
	return __real_open64(at, flags, mode);
}

int __wrap_rename(const char *from, const char *to)
{
	return fails() ? -1 : __real_rename(from, to);
}

int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned int flags)
{
	return fails() ? -1 : __real_renameat2(a, from, b, to, flags);
}

/* --- a store with a guest on its ring --- */

static struct store *st;
static struct xenstore_domain_interface page;
static struct store_ring ring;
static uint32_t told[NODES]; /* by "OK": what it must find */

static void begin(void)
{
	int rc;

	memset(&ring, 0, sizeof(ring));
	rc = store_open(journal, NULL, &st, NULL);
	if (rc == -ENOMEM && fail_at) { /* said at the start, and tried again */
		fail_at = 0;
		rc = store_open(journal, NULL, &st, NULL);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(store_ring_open(st, 7, &page, true, &ring, NULL), 0);
}

static void die(void)
{
	store_ring_close(&ring);
	store_close(st);
}

static int setup(void **state)
{
	struct store_perm own = {7, STORE_NONE};

	(void)state;
	full = false;
	fail_at = 0;
	(void)unlink(journal);
	(void)unlink(journal_new);
	memset(&page, 0, sizeof(page));
	memset(told, 0, sizeof(told));
	begin();
	assert_int_equal(store_mkdir(st, "/local/domain/7"), 0);
	assert_int_equal(store_set_perms(st, "/local/domain/7", &own, 1), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	full = false;
	fail_at = 0;
	die();
	return 0;
}

static void say(uint32_t type, const char *payload)
{
	char whole[RING];
	uint32_t len = message(whole, type, 9, 0, payload);

	assert_true(page.req_prod - page.req_cons + len <= RING);
	for (uint32_t i = 0; i < len; i++)
		page.req[page.req_prod++ % RING] = whole[i];
}

/* The payload of the one answer that is there, or "". */
static const char *hear(void)
{
	static char text[RING + 1];
	char event[RING + 1];
	struct xsd_sockmsg h;

	*text = '\0';
	while (store_ring_poll(&ring, 4) == 1)
		;
	while (page.rsp_prod != page.rsp_cons) {
		for (uint32_t i = 0; i < sizeof(h); i++)
			((char *)&h)[i] = page.rsp[page.rsp_cons++ % RING];
		for (uint32_t i = 0; i < h.len; i++)
			event[i] = page.rsp[page.rsp_cons++ % RING];
		event[h.len] = '\0';
		if (h.type == XS_WATCH_EVENT)
			continue;
		assert_string_equal(text, "");
		memcpy(text, event, h.len + 1);
	}
	return text;
}

/* The guest writes a node; true: it was told that this is done. */
static bool write_one(uint32_t i, uint32_t value)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "data/n%u|%060u", i, value);
	say(XS_WRITE, text);
	if (strcmp(hear(), "OK") != 0)
		return false;
	told[i] = value;
	return true;
}

static void all_that_was_told_is_there(void)
{
	char text[64];
	uint32_t v;

	for (uint32_t i = 0; i < NODES; i++) {
		const char *got;

		(void)snprintf(text, sizeof(text), "/local/domain/7/data/n%u", i);
		got = store_get(st, text, NULL);
		v = got ? (uint32_t)strtoul(got, NULL, 10) : 0;
		assert_int_equal(v, told[i]);
	}
}

/* --- tests --- */

/* Of what changes and does not grow: for ever, in the room that is there. */
static void what_does_not_grow_goes_on_in_a_full_folder(void **state)
{
	uint32_t renewals;
	uint32_t tight = 0;

	(void)state;
	for (uint32_t i = 0; i < NODES; i++)
		assert_true(write_one(i, i));
	full = true;
	renewals = st->journal->round;
	for (uint32_t n = 1; n < 60000; n++) {
		assert_true(write_one(n % NODES, n));
		assert_int_not_equal(store_room(st), STORE_ROOM_NONE);
		tight += store_room(st) == STORE_ROOM_TIGHT;
	}
	assert_true(st->journal->round > renewals + 5);
	assert_in_range(tight, 50000, 60000);
	for (int i = 0; i < 3; i++) { /* the next daemon has the same room */
		die();
		begin();
		all_that_was_told_is_there();
		assert_true(write_one(1, 100u + (uint32_t)i));
	}
	full = false;
	assert_int_equal(store_retry(st), STORE_ROOM_FINE);
}

static bool grow(uint32_t n)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "/grows/n%u", n);
	assert_int_equal(store_putf(st, text, "%0100u", n), 0);
	return store_room(st) != STORE_ROOM_NONE;
}

/* dom0's part grows until there is no room for it at all: then nothing is taken or given, and what
 * was told is what the next daemon finds. The request that waited is done once there is room. */
static void without_room_connections_wait(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < NODES; i++)
		assert_true(write_one(i, 1));
	full = true;
	while (grow(n)) {
		n++;
		assert_true(write_one(n % NODES, n));
	}
	assert_true(n > 2000);
	assert_false(write_one(3, 777777)); /* it waits */
	assert_string_equal(hear(), "");
	die();
	begin(); /* still there is no room but in what a record was begun in */
	all_that_was_told_is_there();
	while (grow(n))
		n++;
	die();
	begin();
	all_that_was_told_is_there();
	die();
	full = false;
	begin();
	assert_int_equal(store_room(st), STORE_ROOM_FINE);
	assert_string_equal(hear(), "OK");
	told[3] = 777777;
	all_that_was_told_is_there();
	assert_true(write_one(3, 4));
}

static void what_waited_goes_on_when_there_is_room(void **state)
{
	uint32_t n = 0;

	(void)state;
	full = true;
	while (grow(n))
		n++;
	assert_false(write_one(1, 5));
	assert_int_equal(store_retry(st), STORE_ROOM_NONE);
	assert_string_equal(hear(), "");
	full = false;
	assert_int_equal(store_retry(st), STORE_ROOM_FINE);
	assert_string_equal(hear(), "OK");
	told[1] = 5;
	assert_true(write_one(2, 6));
	die();
	begin();
	all_that_was_told_is_there();
	assert_non_null(store_get(st, "/grows/n1", NULL));
}

/* Guests that hold much stop growing, those that hold little go on, what is there can change. */
static void guests_are_refused_before_others_are(void **state)
{
	static char text[RING];
	uint32_t n = 0;
	const char *got;

	(void)state;
	for (; n < 350; n++) {
		(void)snprintf(text, sizeof(text), "data/much%u|%0300u", n, n);
		say(XS_WRITE, text);
		assert_string_equal(hear(), "OK");
	}
	full = true;
	for (uint32_t k = 0; store_room(st) == STORE_ROOM_FINE; k++)
		(void)grow(k);
	(void)snprintf(text, sizeof(text), "data/more|%0300u", n);
	say(XS_WRITE, text);
	got = hear();
	assert_string_equal(got, "ENOSPC");
	say(XS_WATCH, "data|t|");
	assert_string_equal(hear(), "E2BIG");
	(void)snprintf(text, sizeof(text), "data/much1|%0200u", n);
	say(XS_WRITE, text);
	assert_string_equal(hear(), "OK");
	say(XS_RM, "data/much1|");
	assert_string_equal(hear(), "OK");
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "data/much%u|", i);
		say(XS_RM, text);
		(void)hear();
	}
	assert_true(write_one(1, 2)); /* it holds little now */
	say(XS_WATCH, "data|t|");
	assert_string_equal(hear(), "OK");
}

/* Any one of the calls fails, or it and all that follow, while the journal grows, is renewed, and
 * is opened again. */
static void nothing_is_lost_whatever_fails(void **state)
{
	uint32_t points = 0;

	for (uint32_t mode = 0; mode < 2; mode++) {
		bool reached = true;

		for (uint32_t at = 1; reached; at++, points++) {
			(void)teardown(state);
			(void)setup(state);
			calls = 0;
			fail_at = at;
			lasts = mode ? 100000 : 0;
			for (uint32_t n = 1; n < 3000; n++) {
				if (!grow(n) || !write_one(n % NODES, n))
					break;
				if (n % 500 == 0) {
					die();
					begin();
					all_that_was_told_is_there();
				}
			}
			reached = calls >= at;
			fail_at = 0;
			die();
			begin();
			all_that_was_told_is_there();
			(void)store_retry(st);
			(void)hear(); /* what waited */
			assert_int_equal(store_room(st), STORE_ROOM_FINE);
			for (uint32_t i = 0; i < NODES; i++)
				assert_true(write_one(i, 1));
			all_that_was_told_is_there();
		}
	}
	assert_true(points > 40);
	print_message("%u calls failed\n", points);
}

/* No journal at all can be made: nothing is served, and the daemon runs. */
static void a_first_start_without_room(void **state)
{
	(void)state;
	die();
	(void)unlink(journal);
	(void)unlink(journal_new);
	page.req_cons = page.req_prod;
	full = true;
	begin();
	assert_int_equal(store_room(st), STORE_ROOM_NONE);
	assert_int_equal(store_putf(st, "/x", "1"), 0);
	full = false;
	assert_int_equal(store_retry(st), STORE_ROOM_FINE);
	die();
	begin();
	assert_non_null(store_get(st, "/x", NULL));
}

/* What the daemon allocates by is what a renewed journal needs. */
static void live_bytes_are_what_is_written(void **state)
{
	uint64_t records;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		assert_true(grow(i));
	for (uint32_t i = 0; i < NODES; i++)
		assert_true(write_one(i, i));
	say(XS_WATCH, "data|t|");
	(void)store_ring_poll(&ring, 10);
	records = 500 + NODES + 10;
	assert_int_equal(store_journal_renew(st), 0);
	assert_in_range(st->journal->file.end, 500 * 120, st->live + st->queued + 64);
	assert_in_range(st->live, st->journal->file.end - 500, st->journal->file.end + 8 * records);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_grow_goes_on_in_a_full_folder),
		TEST(without_room_connections_wait),
		TEST(what_waited_goes_on_when_there_is_room),
		TEST(guests_are_refused_before_others_are),
		TEST(nothing_is_lost_whatever_fails),
		TEST(a_first_start_without_room),
		TEST(live_bytes_are_what_is_written),
	};

	return cmocka_run_group_tests(tests, journal_folder, journal_folder_gone);
}
