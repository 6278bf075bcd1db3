/* SPDX-License-Identifier: BSD-3-Clause */
/* PV guests without noxs: libxenguest's stream inside of a saved VM, with all that can go wrong. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdom/template.h"
#include "tests/unit/libdom/pvlinux_help.h"

static void goes_on(void **state)
{
	struct save_stats st;
	struct err e;
	struct dom a;
	struct dom b;
	int fd;

	(void)state;
	live(&a);
	fd = new_file();
	assert_int_equal(save(&a, fd, &st, &e), 0);
	assert_int_equal(st.pages, PAGES);
	assert_int_equal(st.present, PAGES);
	assert_int_equal(st.bytes, lseek(fd, 0, SEEK_CUR));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(restore(fd, &b, &st, &e), 0);
	assert_int_equal(st.present, PAGES);
	assert_int_equal(st.bytes + sizeof(struct save_end), lseek(fd, 0, SEEK_CUR));
	for (uint64_t i = 0; i < PAGES - 2; i++)
		assert_int_equal(first_byte(b.domid, i), (int)(i % 251 + 1));
	/* store and console are empty */
	assert_int_equal(b.dev_frame, PAGES - 2);
	assert_int_equal(b.control_frame, PAGES - 1);
	assert_int_equal(first_byte(b.domid, PAGES - 2), 0);
	assert_int_equal(first_byte(b.domid, PAGES - 1), 0);
	assert_null(b.build);
	(void)dom_destroy(x, &b, NULL);
	end(&a, fd);
}

struct writer {
	const struct dom *d;
	int fd, rc;
};

static void *write_it(void *arg)
{
	struct writer *w = arg;
	struct save_stats st;
	struct err e;

	w->rc = save(w->d, w->fd, &st, &e);
	(void)close(w->fd);
	return NULL;
}

/* A stream has its size in its header, so it needs no file. */
static void through_a_pipe(void **state)
{
	struct save_stats st;
	struct err e;
	struct writer w;
	pthread_t thread;
	struct dom a;
	struct dom b;
	int p[2];

	(void)state;
	live(&a);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	w = (struct writer){&a, p[1], -1};
	assert_int_equal(pthread_create(&thread, NULL, write_it, &w), 0);
	assert_int_equal(restore(p[0], &b, &st, &e), 0);
	(void)pthread_join(thread, NULL);
	assert_int_equal(w.rc, 0);
	assert_int_equal(first_byte(b.domid, 7), 8);
	(void)dom_destroy(x, &b, NULL);
	end(&a, p[0]);
}

static void child_fails(void **state)
{
	static const struct {
		enum fake_stream how;
		int rc;
		const char *text;
	} all[] = {{FAKE_STREAM_CUT, -EIO, "could not save domain"},
		   {FAKE_STREAM_LONG, -EFBIG, "more than"},
		   {FAKE_STREAM_KILLED, -EIO, "the fake says so"}};
	struct save_stats st;
	struct err e;
	struct dom d;
	int fd = new_file();

	(void)state;
	live(&d);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		fake_stream(all[i].how);
		assert_int_equal(save(&d, fd, &st, &e), all[i].rc);
		assert_non_null(strstr(e.msg, all[i].text));
	}
	end(&d, fd);
	fake_stream(FAKE_STREAM_GOOD);
	fd = saved(&d);
	fake_stream(FAKE_STREAM_KILLED);
	(void)dom_destroy(x, &d, NULL);
	assert_int_equal(restore(fd, &d, &st, &e), -EIO);
	assert_non_null(strstr(e.msg, "could not restore domain"));
	fake_stream(FAKE_STREAM_GOOD);
	(void)close(fd);
}

/* Nothing is left behind by any call that fails: end_test() counts. */
static void calls_fail(void **state)
{
	struct save_stats st;
	struct err e;
	struct dom a;
	struct dom b;
	int fd = saved(&a);
	int rc;

	(void)state;
	for (uint32_t n = 1;; n++) {
		int again = new_file();

		fake_fail_at(n, EIO);
		rc = save(&a, again, &st, &e);
		(void)close(again);
		if (rc == 0)
			break;
	}
	for (uint32_t n = 1;; n++) {
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		fake_fail_at(n, EIO);
		rc = restore(fd, &b, &st, &e);
		if (rc == 0)
			break;
	}
	fake_fail_at(0, 0);
	(void)dom_destroy(x, &b, NULL);
	end(&a, fd);
}

static void cut_files(void **state)
{
	struct save_stats st;
	struct err e;
	struct dom a;
	struct dom b;
	int fd = saved(&a);
	off_t size = lseek(fd, 0, SEEK_END);

	(void)state;
	for (off_t at = size - 1; at > 0; at -= at > 70000 ? 65537 : 97) {
		assert_int_equal(ftruncate(fd, at), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(restore(fd, &b, &st, &e), -EPROTO);
		assert_non_null(strstr(e.msg, "the file is cut"));
	}
	end(&a, fd);
}

/* A byte anywhere: header, configuration, stream, the zeroes after it, end. */
static void damaged_files(void **state)
{
	struct save_stats st;
	struct err e;
	struct dom a;
	struct dom b;
	int fd = saved(&a);
	off_t size = lseek(fd, 0, SEEK_END);

	(void)state;
	for (off_t at = 0; at < size; at += at < 900 || at > size - 20 ? 1 : 9973) {
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_true(restore(fd, &b, &st, &e) < 0);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	end(&a, fd);
}

/* Checksums that fit do not make a stream. */
static void crafted(void **state)
{
	struct save_header h;
	struct save_stats st;
	struct err e;
	struct dom a;
	struct dom b;
	int fd = saved(&a);

	(void)state;
	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	h.param[0] = PAGES - 1; /* a frame is outside */
	h.header_hash = save_hash_of(&h, offsetof(struct save_header, header_hash));
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(restore(fd, &b, &st, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "outside of the guest"));
	end(&a, fd);
}

static void headers(void **state)
{
	struct save_header good;
	struct err e;
	struct dom a;
	int fd = saved(&a);

	(void)state;
	assert_int_equal(pread(fd, &good, sizeof(good), 0), sizeof(good));
	assert_int_equal(save_check_header(&good, &e), 0);
	for (uint32_t i = 0; i < 9; i++) {
		struct save_header h = good;

		if (i == 0)
			h.type = DOM_PVH;
		else if (i == 1)
			h.ring_pages = 1;
		else if (i == 2)
			h.flags = SAVE_FLAG_PLAIN;
		else if (i == 3)
			h.runs = 1;
		else if (i == 4)
			h.param[0] = 0;
		else if (i == 5)
			h.param[0] = PAGES + SAVE_PV_LINUX_EXTRA + 1;
		else if (i == 6)
			h.present = PAGES * 3;
		else if (i == 7)
			h.param[1] = 1;
		else
			h.dev_gfn = 1;
		h.header_hash = save_hash_of(&h, offsetof(struct save_header, header_hash));
		assert_true(save_check_header(&h, &e) < 0);
	}
	end(&a, fd);
}

/* The client of a save disconnects when it has got so many bytes. */
static uint64_t cancel_at;

static void *cancel(void *arg)
{
	struct transfer *t = arg;

	while (__atomic_load_n(&t->bytes, __ATOMIC_RELAXED) < cancel_at)
		(void)poll(NULL, 0, 1);
	transfer_cancel(t);
	return NULL;
}

static void cancelled(int fd, uint64_t at)
{
	struct save_source from = {.type = DOM_PV, .vcpus = 1, .pages = PAGES, .linux_guest = true};
	struct save_stats st;
	struct err e;
	struct transfer t;
	pthread_t thread;
	struct dom d;

	live(&d);
	from.domid = d.domid;
	cancel_at = at;
	assert_int_equal(transfer_open(&t, fd, true, &e), 0);
	assert_int_equal(pthread_create(&thread, NULL, cancel, &t), 0);
	assert_int_equal(save_write(x, &from, owner, sizeof(owner), &t, &st, &e), -ECANCELED);
	(void)pthread_join(thread, NULL);
	transfer_close(&t);
	end(&d, -1);
}

/* It does not read any more. */
static void is_cancelled(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	cancelled(p[1], 1);
	(void)close(p[0]);
}

/* Everything is written, and the child does not end. */
static void child_sleeps(void **state)
{
	(void)state;
	fake_stream(FAKE_STREAM_ASLEEP);
	cancelled(new_file(), PAGES * PAGE);
	fake_stream(FAKE_STREAM_GOOD);
}

static void not_in_memory(void **state)
{
	struct save_source from = {.type = DOM_PV, .vcpus = 1, .pages = PAGES, .linux_guest = true};
	struct save_stream *s;
	struct save_stats st;
	struct err e;
	struct dom d;

	(void)state;
	live(&d);
	from.domid = d.domid;
	assert_int_equal(dom_template_take(x, &from, &s, &st, &e), -EOPNOTSUPP);
	assert_null(s);
	(void)dom_destroy(x, &d, NULL);
}

static int begin_test(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* as chaosd */
	fake_reset();
	fake_stream(FAKE_STREAM_GOOD);
	return xen_open(&x, NULL);
}

static int end_test(void **state)
{
	struct fake_count left;

	(void)state;
	fake_count(&left);
	xen_close(x);
	fake_reset();
	return left.mapped_pages == 0 && left.domains == 0 ? 0 : -1;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_on),	    TEST(through_a_pipe), TEST(child_fails),   TEST(calls_fail),
		TEST(cut_files),    TEST(damaged_files),  TEST(crafted),       TEST(headers),
		TEST(is_cancelled), TEST(child_sleeps),	  TEST(not_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
