/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved guests: what goes into a stream comes out of it, in every way that there is; what is cut or
 * damaged is refused with words; whatever call fails, nothing is left. */
#include "libdom/save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "libdom/save_format.h"
#include "tests/fake/fake.h"
#include "tests/unit/unit.h"

#define PAGE	4096u
#define PAGES	64u
#define UNUSED	20u /* frames from here on ... */
#define USED	40u /* ... to here are untouched */
#define ZERO	10u /* a frame that is zero */
#define DEV_LOW 48u /* from here on lies what is the builder's */

struct way {
	enum dom_type type;
	bool plain, tables, pipe, window;
};

static const struct way ways[] = {
	{DOM_PV, true, false, false, false}, {DOM_PVH, true, false, false, false},
	{DOM_PV, true, true, false, false},  {DOM_PVH, false, false, false, true},
	{DOM_PV, true, true, true, true},    {DOM_PVH, true, false, true, false},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct guest {
	struct dom d;
	uint8_t *pages; /* device and control page */
};

static struct xen *x;
static const char owner[] = "an owner's bytes";

static void fill(uint32_t domid, uint64_t gfn, int byte)
{
	uint8_t *at = fake_page(domid, gfn);

	assert_non_null(at);
	memset(at, byte, PAGE);
	(void)munmap(at, PAGE);
}

static int first_byte(uint32_t domid, uint64_t gfn)
{
	uint8_t *at = fake_page(domid, gfn);
	int byte;

	assert_non_null(at);
	byte = at[0];
	for (uint32_t i = 0; i < PAGE; i++)
		assert_int_equal(at[i], byte);
	(void)munmap(at, PAGE);
	return byte;
}

static int make(struct guest *g, const struct way *w)
{
	struct dom_spec spec = {
		.type = w->type, .mem_kib = PAGES * 4, .vcpus = 1, .cap = UINT32_MAX};
	int rc = dom_prepare(x, &spec, NULL, &g->d, NULL);

	g->pages = NULL;
	if (rc == 0)
		rc = xen_map(x, g->d.domid, true, 2,
			     (xen_pfn_t[]){g->d.dev_frame, g->d.control_frame}, (void **)&g->pages);
	return rc;
}

/* A guest that has used some of its memory. */
static void live(struct guest *g, const struct way *w)
{
	struct noxs_control *c;

	assert_int_equal(make(g, w), 0);
	memset(g->pages, 0, 2 * PAGE);
	c = (struct noxs_control *)(void *)(g->pages + PAGE);
	c->can = NOXS_CAN_SAVE | (w->plain ? NOXS_CAN_PLAIN : 0);
	c->untouched_gfn = UNUSED;
	c->untouched_end = USED;
	c->out_prod = 77;
	((struct noxs_page *)(void *)g->pages)->image_end_gfn = 3;
	for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
		fill(g->d.domid, gfn, gfn == ZERO ? 0 : (int)(gfn + 1));
	if (w->tables) { /* two pages change places */
		uint64_t *l1 = fake_page(g->d.domid, g->d.page_table_gfn + 3);
		uint64_t entry = l1[5];

		l1[5] = l1[6];
		l1[6] = entry;
		(void)munmap(l1, PAGE);
	}
}

static void end(struct guest *g)
{
	xen_unmap(x, g->pages, 2);
	(void)dom_destroy(x, &g->d, NULL);
}

static int save(struct guest *g, int fd, struct save_stats *st, struct err *e)
{
	struct save_source from = {.domid = g->d.domid,
				   .type = g->d.type,
				   .vcpus = 1,
				   .pages = PAGES,
				   .limits = {.asked = DOM_LIMIT_EVTCHN_PORT, .evtchn_port = 99},
				   .device = g->pages,
				   .control = g->pages + PAGE};
	struct transfer t;
	int rc = transfer_open(&t, dup(fd), true, e);

	if (rc == 0) {
		rc = save_write(x, &from, owner, sizeof(owner), &t, st, e);
		transfer_close(&t);
	}
	return rc;
}

/* Everything up to the pages; *s is opened when it succeeds. */
static int open_stream(int fd, struct transfer *t, struct save_stream **s, struct err *e)
{
	int rc = transfer_open(t, dup(fd), false, e);

	*s = NULL;
	if (rc == 0) {
		rc = save_open(x, t, s, e);
		if (rc == 0)
			rc = save_verify(*s, e);
		if (rc == 0)
			return 0;
		save_close(*s);
		transfer_close(t);
	}
	return rc;
}

static int restore(int fd, struct guest *g, const struct way *w, struct err *e)
{
	struct save_stats st;
	struct save_stream *s;
	struct transfer t;
	struct dom_spec spec = {.cap = UINT32_MAX};
	int rc = open_stream(fd, &t, &s, e);

	memset(g, 0, sizeof(*g));
	if (rc < 0)
		return rc;
	assert_int_equal(save_info(s)->owner_bytes, sizeof(owner));
	assert_memory_equal(save_info(s)->owner, owner, sizeof(owner));
	save_spec(s, &spec);
	assert_int_equal(spec.limits.evtchn_port, 99);
	assert_int_equal(spec.mem_kib, PAGES * 4);
	rc = dom_prepare(x, &spec, NULL, &g->d, e);
	if (rc == 0 && w->window)
		rc = dom_window(x, &g->d, 30, e);
	if (rc == 0)
		rc = save_restore(x, s, &g->d, &st, e);
	dom_window_close(x, &g->d);
	save_close(s);
	transfer_close(&t);
	if (rc < 0)
		(void)dom_destroy(x, &g->d, NULL);
	return rc;
}

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
	assert_non_null(strstr(e.msg, "cannot be saved"));
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

static int begin_save(void **state)
{
	(void)state;
	fake_reset();
	fake_set_dirty(true);
	return xen_open(&x, NULL);
}

static int end_save(void **state)
{
	struct fake_count n;

	(void)state;
	fake_count(&n);
	xen_close(x);
	fake_reset();
	return n.mapped_pages == 0 && n.domains == 0 ? 0 : -1;
}

int main(void)
{
#define SAVE(f) cmocka_unit_test_setup_teardown(f, begin_save, end_save)
	const struct CMUnitTest tests[] = {
		SAVE(comes_back), SAVE(says_no), SAVE(damage), SAVE(newer), SAVE(failing_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
