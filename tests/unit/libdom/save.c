/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved guests: what goes into a stream comes out of it, in every way that there is; what is cut or
 * damaged is refused with words; whatever call fails, nothing is left. */
#include "tests/unit/libdom/save_help.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

static const struct way ways[] = {
	{DOM_PV, true, false, false, false}, {DOM_PVH, true, false, false, false},
	{DOM_PV, true, true, false, false},  {DOM_PVH, false, false, false, true},
	{DOM_PV, true, true, true, true},    {DOM_PVH, true, false, true, false},
	{DOM_PV, true, .noted = true},	     {DOM_PV, true, .noted = true, .taken = true},
	{DOM_PV, true, true, .noted = true}, {DOM_PV, true, true, .noted = true, .taken = true},
	{DOM_PVH, false, .taken = true},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct feeder {
	int from, to;
};

static void *feed(void *arg)
{
	const struct feeder *f = arg;
	uint8_t buf[1000];
	ssize_t n;

	while ((n = read(f->from, buf, sizeof(buf))) > 0)
		if (write(f->to, buf, (size_t)n) != n)
			break;
	(void)close(f->to);
	return NULL;
}

static void comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		const struct way *w = &ways[i];
		int fd = memfd_create("saved", MFD_CLOEXEC);
		struct err e = {0};
		struct save_stats st;
		struct guest a;
		struct guest b;
		pthread_t thread = 0;
		struct feeder f = {fd, -1};
		int p[2];

		live(&a, w);
		if (save(&a, fd, &st, &e) < 0)
			fail_msg("way %zu: %s", i, e.msg);
		assert_int_equal(st.pages, PAGES);
		assert_int_equal(st.untouched, USED - UNUSED);
		assert_int_equal(st.done, st.present);
		assert_int_equal(st.bytes, lseek(fd, 0, SEEK_CUR));
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		if (w->pipe) {
			assert_int_equal(pipe(p), 0);
			f.to = p[1];
			assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
		}
		if (restore(w->pipe ? p[0] : fd, &b, w, &e) < 0)
			fail_msg("way %zu: %s", i, e.msg);
		if (w->pipe) {
			(void)pthread_join(thread, NULL);
			(void)close(p[0]);
		}
		assert_int_equal(b.d.image_end_gfn, 3);
		assert_null(b.d.build);
		for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
			if (gfn < UNUSED || gfn >= USED)
				assert_int_equal(first_byte(b.d.domid, gfn),
						 gfn == ZERO ? 0 : (int)gfn + 1);
		for (uint64_t gfn = b.d.page_table_gfn; w->type == DOM_PV && gfn < PAGES; gfn++) {
			uint8_t *was = fake_page(a.d.domid, gfn);
			uint8_t *is = fake_page(b.d.domid, gfn);

			assert_memory_equal(was, is, PAGE);
			(void)munmap(was, PAGE);
			(void)munmap(is, PAGE);
		}
		end(&a);
		end(&b);
		(void)close(fd);
	}
}

static void says_no(void **state)
{
	struct way w = ways[0];
	struct err e = {0};
	struct save_stats st;
	struct guest g;
	int fd = memfd_create("saved", MFD_CLOEXEC);

	(void)state;
	live(&g, &w);
	((struct noxs_control *)(void *)(g.pages + PAGE))->can = 0;
	assert_int_equal(save(&g, fd, &st, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "be saved and continued"));
	((struct noxs_control *)(void *)(g.pages + PAGE))->can = NOXS_CAN_SAVE;
	assert_int_equal(save(&g, fd, &st, &e), -EOPNOTSUPP); /* PV, and not plain */
	assert_non_null(strstr(e.msg, "registers"));
	assert_int_equal(xen_domain_unpause(x, g.d.domid), 0);
	assert_int_equal(save(&g, fd, &st, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "runs"));
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	end(&g);
	(void)close(fd);
}

/* A byte of it is another one, or it ends there: there is no domain before it is found. */
static void refused(int fd, const char *what, off_t at)
{
	struct err e = {0};
	struct fake_count n;
	struct guest g;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (restore(fd, &g, &ways[0], &e) == 0)
		fail_msg("%s at %ld is taken", what, (long)at);
	assert_true(e.msg[0] != '\0');
	assert_null(strchr(e.msg, '\n'));
	fake_count(&n);
	assert_int_equal(n.domains, 1); /* the source */
}

static void damage(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		int fd = memfd_create("saved", MFD_CLOEXEC);
		struct save_stats st;
		struct guest g;
		off_t size;

		(void)state;
		live(&g, &ways[i]);
		assert_int_equal(save(&g, fd, &st, NULL), 0);
		size = lseek(fd, 0, SEEK_CUR);
		for (off_t at = 0; at < size; at += at < 0x100 || at > size - 32 ? 1 : 97) {
			uint8_t byte;
			uint8_t other;

			assert_int_equal(pread(fd, &byte, 1, at), 1);
			other = (uint8_t)(byte ^ 0x10);
			assert_int_equal(pwrite(fd, &other, 1, at), 1);
			refused(fd, "damage", at);
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		for (off_t at = size - 1; at > 0; at -= at > size - 20 || at < 0x120 ? 1 : 1001) {
			assert_int_equal(ftruncate(fd, at), 0);
			refused(fd, "a cut", at);
		}
		assert_int_equal(ftruncate(fd, 0), 0);
		refused(fd, "nothing", 0);
		end(&g);
		(void)close(fd);
	}
}

static void newer(void **state)
{
	struct save_header h = {.magic = SAVE_MAGIC, .version = SAVE_VERSION + 1};
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct err e = {0};
	struct guest g;

	(void)state;
	assert_int_equal(write(fd, &h, sizeof(h)), sizeof(h));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(restore(fd, &g, &ways[0], &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "newer"));
	(void)close(fd);
}

static void failing_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		const struct way *w = &ways[i];
		int fd = memfd_create("saved", MFD_CLOEXEC);
		struct fake_count before;
		struct fake_count after;
		struct save_stats st;
		struct guest a;
		struct guest b;
		uint32_t nth = 0;
		int rc;

		if (w->pipe)
			continue;
		live(&a, w);
		fake_count(&before);
		do {
			struct err e = {0};

			assert_int_equal(ftruncate(fd, 0), 0);
			assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
			fake_fail_at(++nth, EIO);
			rc = save(&a, fd, &st, &e);
			fake_fail_at(0, 0);
			assert_true(rc == 0 || e.msg[0] != '\0');
			fake_count(&after);
			assert_memory_equal(&before, &after, sizeof(after));
		} while (rc < 0);
		assert_true(nth > 2);
		nth = 0;
		do {
			struct err e = {0};

			assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
			fake_fail_at(++nth, EIO);
			rc = restore(fd, &b, w, &e);
			fake_fail_at(0, 0);
			assert_true(rc == 0 || e.msg[0] != '\0');
			fake_count(&after);
			if (rc < 0)
				assert_memory_equal(&before, &after, sizeof(after));
		} while (rc < 0);
		end(&b);
		end(&a);
		(void)close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAVE(comes_back), SAVE(says_no), SAVE(damage), SAVE(newer), SAVE(failing_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
