/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies that share the pages of a template: which are shared and which are not; a copy that is
 * saved has its own; whatever call fails, nothing is left. */
#include "libdom/share.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "tests/unit/libdom/save_help.h"

#define PRESENT	 1ull
#define WRITABLE 2ull
#define STACK	 5u /* two pages that a guest names */

static const struct way way = {DOM_PV, true, false, false, false};

/* A saved guest that can share, and what it says of its pages. */
static int saved(uint32_t can, uint32_t gfn, uint32_t pages)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct noxs_control *c;
	struct save_stats st;
	struct err e = {0};
	struct guest g;

	live(&g, &way);
	c = (struct noxs_control *)(void *)(g.pages + PAGE);
	c->can |= can;
	c->own[0] = (struct noxs_frames){0, 1};
	c->own[1] = (struct noxs_frames){gfn, pages};
	if (save(&g, fd, &st, &e) < 0)
		fail_msg("%s", e.msg);
	end(&g);
	return fd;
}

static void name(struct dom_spec *spec, bool template)
{
	memset(spec->uuid, template ? 0x11 : 0x22, sizeof(spec->uuid));
	if (template)
		share_mark(spec->uuid);
}

/* *out NULL: it is an ordinary copy; *t, the file, is the caller's. */
static int make(int fd, struct transfer *t, struct dom *d, struct share **out, struct err *e)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	struct save_stream *s;
	int rc;

	(void)lseek(fd, 0, SEEK_SET);
	dom_init(d);
	*out = NULL;
	rc = open_stream(fd, t, &s, e);
	if (rc < 0)
		return rc;
	save_spec(s, &spec);
	name(&spec, true);
	rc = share_make(x, s, &spec, d, out, e);
	if (!*out)
		save_close(s);
	transfer_close(t);
	if (rc < 0)
		(void)dom_destroy(x, d, NULL);
	return rc;
}

static int copy(const struct share *t, struct dom *d, struct err *e)
{
	struct dom_spec spec = {
		.type = DOM_PV, .mem_kib = PAGES * 4, .vcpus = 1, .cap = UINT32_MAX};

	name(&spec, false);
	return share_copy(x, t, &spec, true, d, e);
}

static uint64_t entry(const struct dom *d, uint64_t gfn)
{
	uint64_t *l1 = fake_page(d->domid, d->page_table_gfn + 3);
	uint64_t e = l1[gfn];

	(void)munmap(l1, PAGE);
	return e;
}

static bool is_own(uint64_t gfn)
{
	return gfn == 0 || gfn == STACK || gfn == STACK + 1 || gfn >= DEV_LOW;
}

static struct guest guest_of(const struct dom *d)
{
	struct guest g = {.d = *d};

	assert_int_equal(xen_map(x, d->domid, true, 2,
				 (xen_pfn_t[]){d->dev_frame, d->control_frame}, (void **)&g.pages),
			 0);
	((struct noxs_page *)(void *)g.pages)->image_end_gfn = 3;
	return g;
}

static void has_all(const struct dom *d)
{
	for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
		if (gfn < UNUSED || gfn >= USED)
			assert_int_equal(first_byte(d->domid, gfn), gfn == ZERO ? 0 : (int)gfn + 1);
}

static void what_is_shared(void **state)
{
	int fd = saved(NOXS_CAN_SHARE, STACK, 2);
	struct fake_domain is;
	struct save_stats st;
	struct err e = {0};
	struct transfer file;
	struct share *t;
	struct dom at_rest;
	struct dom d[2];

	(void)state;
	assert_int_equal(make(fd, &file, &at_rest, &t, &e), 0);
	assert_non_null(t);
	for (int i = 0; i < 2; i++) {
		if (copy(t, &d[i], &e) < 0)
			fail_msg("%s", e.msg);
		assert_null(d[i].build);
		assert_int_equal(d[i].image_end_gfn, 3);
		for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++) {
			assert_true(entry(&d[i], gfn) & PRESENT);
			assert_int_equal(!!(entry(&d[i], gfn) & WRITABLE), is_own(gfn));
			if (is_own(gfn))
				assert_int_equal(first_byte(d[i].domid, gfn), (int)gfn + 1);
		}
		assert_true(fake_domain(d[i].domid, &is));
		assert_true(is.pages < PAGES / 2);
	}
	/* one is saved: it has its own then, and what was written is right */
	for (int turn = 0; turn < 2; turn++) {
		int again = memfd_create("saved", MFD_CLOEXEC);
		struct guest g = guest_of(&d[0]);
		struct guest back;

		if (save(&g, again, &st, &e) < 0)
			fail_msg("%s", e.msg);
		has_all(&d[0]);
		for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
			assert_true(entry(&d[0], gfn) & WRITABLE);
		assert_int_equal(lseek(again, 0, SEEK_SET), 0);
		assert_int_equal(restore(again, &back, &way, &e), 0);
		has_all(&back.d);
		assert_int_equal(dom_destroy(x, &back.d, NULL), 0);
		xen_unmap(x, g.pages, 2);
		(void)close(again);
	}
	assert_false(entry(&d[1], 1) & WRITABLE);
	share_free(t);
	for (int i = 0; i < 2; i++)
		assert_int_equal(dom_destroy(x, &d[i], NULL), 0);
	assert_int_equal(dom_destroy(x, &at_rest, NULL), 0);
	(void)close(fd);
}

/* Pages of a domain that is no template are not read. */
static void of_nobody(void **state)
{
	int fd = saved(NOXS_CAN_SHARE, STACK, 2);
	struct save_stats st;
	struct err e = {0};
	struct transfer file;
	struct share *t;
	struct dom at_rest;
	struct guest other;
	struct guest g;
	struct dom d;
	int again = memfd_create("saved", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(make(fd, &file, &at_rest, &t, &e), 0);
	assert_int_equal(copy(t, &d, &e), 0);
	live(&other, &way); /* one that stands still, too */
	assert_int_equal(xen_set_entries(x, d.domid, other.d.domid, 1,
					 &(struct xen_pte){(d.page_table_gfn + 3) * PAGE + 8, 5}),
			 0);
	g = guest_of(&d);
	assert_int_equal(save(&g, again, &st, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "not its own"));
	assert_int_not_equal(first_byte(other.d.domid, 0), 0);
	xen_unmap(x, g.pages, 2);
	end(&other);
	share_free(t);
	assert_int_equal(dom_destroy(x, &d, NULL), 0);
	assert_int_equal(dom_destroy(x, &at_rest, NULL), 0);
	(void)close(again);
	(void)close(fd);
}

/* A guest that says nothing, or what makes no sense, is copied. */
static void not_shared(void **state)
{
	static const struct {
		uint32_t can, gfn, pages;
	} bad[] = {
		{0, STACK, 2},
		{NOXS_CAN_SHARE, STACK, 33},
		{NOXS_CAN_SHARE, STACK, UINT32_MAX},
		{NOXS_CAN_SHARE, UINT32_MAX, 1},
		{NOXS_CAN_SHARE, PAGES, 1},
		{NOXS_CAN_SHARE, DEV_LOW, 17},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = saved(bad[i].can, bad[i].gfn, bad[i].pages);
		struct err e = {0};
		struct transfer file;
		struct share *t;
		struct dom d;

		if (make(fd, &file, &d, &t, &e) < 0)
			fail_msg("%zu: %s", i, e.msg);
		assert_null(t);
		has_all(&d);
		assert_int_equal(dom_destroy(x, &d, NULL), 0);
		(void)close(fd);
	}
}

static void failing_calls(void **state)
{
	int fd = saved(NOXS_CAN_SHARE, STACK, 2);
	int again = memfd_create("saved", MFD_CLOEXEC);
	struct fake_count before;
	struct fake_count after;
	struct save_stats st;
	struct transfer file;
	struct share *t = NULL;
	struct dom at_rest;
	struct dom d;
	struct guest g;
	uint32_t nth = 0;
	int rc;

	(void)state;
	fake_count(&before);
	do {
		struct err e = {0};

		fake_fail_at(++nth, EIO);
		rc = make(fd, &file, &at_rest, &t, &e);
		fake_fail_at(0, 0);
		fake_count(&after);
		if (rc < 0) {
			assert_true(e.msg[0] != '\0');
			assert_null(t);
			assert_memory_equal(&before, &after, sizeof(after));
		}
	} while (rc < 0);
	assert_true(nth > 2);
	assert_non_null(t);
	fake_count(&before);
	nth = 0;
	do {
		struct err e = {0};

		fake_fail_at(++nth, EIO);
		rc = copy(t, &d, &e);
		fake_fail_at(0, 0);
		fake_count(&after);
		if (rc < 0) {
			assert_true(e.msg[0] != '\0');
			assert_memory_equal(&before, &after, sizeof(after));
		}
	} while (rc < 0);
	assert_true(nth > 5);
	g = guest_of(&d);
	nth = 0;
	do { /* what it has so far is right, and the next try goes on */
		struct err e = {0};

		fake_fail_at(++nth, ENOMEM);
		rc = save(&g, again, &st, &e);
		fake_fail_at(0, 0);
		assert_true(rc == 0 || e.msg[0] != '\0');
		assert_int_equal(ftruncate(again, 0), 0);
		(void)lseek(again, 0, SEEK_SET);
	} while (rc < 0);
	assert_true(nth > 5);
	has_all(&d);
	xen_unmap(x, g.pages, 2);
	share_free(t);
	assert_int_equal(dom_destroy(x, &d, NULL), 0);
	assert_int_equal(dom_destroy(x, &at_rest, NULL), 0);
	(void)close(again);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {SAVE(what_is_shared), SAVE(of_nobody), SAVE(not_shared),
					   SAVE(failing_calls)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
