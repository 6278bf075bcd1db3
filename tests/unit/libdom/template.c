/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a guest by memory of this process: each is as the guest was, whatever becomes of that;
 * whatever call fails, nothing is left. */
#include "libdom/template.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <noxs/abi.h>

#include "tests/unit/libdom/save_help.h"

static const struct way ways[] = {
	{DOM_PV, true, false, false, false},
	{DOM_PVH, true, false, false, false},
	{DOM_PV, true, true, false, true},
	{DOM_PVH, false, false, false, true},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct save_budget budget = {.most = 1u << 30};

static int take(const struct guest *g, struct save_stream **t, struct err *e)
{
	struct save_source from = source_of(g);
	struct save_stats st;
	int rc;

	from.budget = &budget;
	rc = dom_template_take(x, &from, t, &st, e);

	if (rc == 0) {
		assert_int_equal(st.done, st.present);
		dom_template_unmap(x, *t);
	}
	return rc;
}

/* A shell is made and filled; none is left on failure. */
static int copy(struct save_stream *t, const struct way *w, struct dom *d, struct err *e)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	struct save_stats st;
	int rc;

	dom_init(d);
	save_spec(t, &spec);
	rc = dom_prepare(x, &spec, NULL, d, e);
	if (rc == 0 && w->window)
		rc = dom_window(x, d, 30, e);
	if (rc == 0)
		rc = save_restore(x, t, d, &st, e);
	dom_window_close(x, d);
	if (rc < 0)
		(void)dom_destroy(x, d, NULL);
	return rc;
}

static void is_as_it_was(const struct dom *d)
{
	assert_null(d->build);
	assert_int_equal(d->image_end_gfn, 3);
	for (uint64_t gfn = 0; gfn < DEV_LOW; gfn++)
		if (gfn < UNUSED || gfn >= USED)
			assert_int_equal(first_byte(d->domid, gfn), gfn == ZERO ? 0 : (int)gfn + 1);
}

static void many_of_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct save_stream *t;
		struct err e = {0};
		struct dom d[3];
		struct guest g;

		live(&g, &ways[i]);
		if (take(&g, &t, &e) < 0)
			fail_msg("way %zu: %s", i, e.msg);
		assert_true(budget.used >= save_info(t)->present * PAGE);
		memset(g.pages, 0xee, PAGE); /* it goes on, and ends */
		assert_int_equal(xen_domain_unpause(x, g.d.domid), 0);
		assert_int_equal(copy(t, &ways[i], &d[0], &e), 0);
		end(&g);
		for (int k = 1; k < 3; k++)
			if (copy(t, &ways[i], &d[k], &e) < 0)
				fail_msg("way %zu, copy %d: %s", i, k, e.msg);
		save_close(t);
		for (int k = 0; k < 3; k++) {
			is_as_it_was(&d[k]);
			assert_int_equal(dom_destroy(x, &d[k], NULL), 0);
		}
	}
}

static void one_that_runs_is_refused(void **state)
{
	struct save_stream *t;
	struct err e = {0};
	struct guest g;

	(void)state;
	live(&g, &ways[0]);
	assert_int_equal(xen_domain_unpause(x, g.d.domid), 0);
	assert_int_equal(take(&g, &t, &e), -EINVAL);
	assert_null(t);
	assert_non_null(strstr(e.msg, "runs"));
	end(&g);
}

/* What fails leaves the source as it was, and no copy. */
static void failing_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct fake_count before;
		struct fake_count after;
		struct save_stream *t;
		struct guest g;
		struct dom d;
		uint32_t nth = 0;
		int rc;

		live(&g, &ways[i]);
		fake_count(&before);
		do {
			struct err e = {0};

			fake_fail_at(++nth, EIO);
			rc = take(&g, &t, &e);
			fake_fail_at(0, 0);
			assert_true(rc == 0 || e.msg[0] != '\0');
			fake_count(&after);
			assert_memory_equal(&before, &after, sizeof(after));
		} while (rc < 0);
		assert_true(nth > 2);
		nth = 0;
		do {
			struct err e = {0};

			fake_fail_at(++nth, EIO);
			rc = copy(t, &ways[i], &d, &e);
			fake_fail_at(0, 0);
			assert_true(rc == 0 || e.msg[0] != '\0');
			fake_count(&after);
			if (rc < 0)
				assert_memory_equal(&before, &after, sizeof(after));
		} while (rc < 0);
		save_close(t);
		assert_int_equal(dom_destroy(x, &d, NULL), 0);
		end(&g);
	}
}

static void none_is_left_counted(void **state)
{
	(void)state;
	assert_int_equal(budget.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {SAVE(many_of_one), SAVE(one_that_runs_is_refused),
					   SAVE(failing_calls),
					   cmocka_unit_test(none_is_left_counted)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
