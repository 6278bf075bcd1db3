/* SPDX-License-Identifier: BSD-3-Clause */
/* Thousands of snapshots: a start, a list and a look-up of each parent compare few names; walks go
 * on while others are removed and made. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "split-toolstack/engine/snapshots/namefile.h"
#include "split-toolstack/engine/snapshots/snaptable.h"

#define MANY 2000u

static uint64_t compared;

int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b)
{
	compared++;
	return __real_strcmp(a, b);
}

static char folder[] = "/tmp/chaos-unit-snaptable-XXXXXX";
static int dirfd_ = -1;

/* Without their content: all of one VM, each the child of the one before. */
static void fill(struct snapshot *x, uint32_t n)
{
	memset(x, 0, sizeof(*x));
	/* not in the order of names */
	(void)snprintf(x->name, sizeof(x->name), "s%05u", n * 7919 % MANY);
	(void)snprintf(x->digest, sizeof(x->digest), "%08x%056x", n * 2654435761u, n);
	if (n)
		(void)snprintf(x->parent, sizeof(x->parent), "%08x%056x", (n - 1) * 2654435761u,
			       n - 1);
	(void)snprintf(x->vm, sizeof(x->vm), "web");
	x->type = DOM_PVH;
	x->vcpus = 1;
	x->mem_kib = 1024;
	x->bytes = 10;
}

static struct snapshot *add(struct snapshot_table *t, const char *name, const char *digest)
{
	struct snapshot *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	(void)snprintf(x->name, sizeof(x->name), "%s", name);
	(void)snprintf(x->digest, sizeof(x->digest), "%s", digest);
	x->bytes = 10;
	snaptable_add(t, x);
	return x;
}

static void write_all(void)
{
	struct snapshot x;
	struct err e = {0};

	for (uint32_t n = 0; n < MANY; n++) {
		char file[FILE_NAME];
		int fd;

		fill(&x, n);
		if (namefile_write(dirfd_, "temp", &x, &e) < 0)
			fail_msg("%s", e.msg);
		(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_FILE, x.digest);
		fd = openat(dirfd_, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
}

static void thousands(void **state)
{
	static struct snapshot_table t;
	const struct snapshot *before = NULL;
	const struct snapshot *x;
	struct err e = {0};
	uint32_t n = 0;
	char file[FILE_NAME];

	(void)state;
	write_all();
	compared = 0;
	assert_int_equal(snaptable_load(&t, dirfd_, &e), 0);
	assert_int_equal(snaptable_bytes(&t), 10 * MANY);
	DL_FOREACH(t.first, x)
	{
		assert_true(!before || memcmp(before->name, x->name, 7) < 0);
		before = x;
		n++;
		if (x->parent[0])
			assert_non_null(snaptable_digest(&t, x->parent, NULL));
		assert_false(snaptable_uses(&t, x->digest, x));
	}
	assert_int_equal(n, MANY);
	assert_in_range(compared, MANY, 40 * MANY);
	while ((x = t.first)) {
		(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_FILE, x->digest);
		assert_int_equal(unlinkat(dirfd_, file, 0), 0);
		(void)snprintf(file, sizeof(file), "%s" SNAPSHOT_NAME, x->name);
		assert_int_equal(unlinkat(dirfd_, file, 0), 0);
		snaptable_drop(&t, t.first);
	}
}

static void names_of_a_content(void **state)
{
	static struct snapshot_table t;
	struct snapshot *c = add(&t, "c", "0123456789");
	struct snapshot *a = add(&t, "a", "0123456789");
	struct snapshot *b = add(&t, "b", "01234567ff"); /* the same bucket */

	(void)state;
	assert_ptr_equal(snaptable_digest(&t, "0123456789", NULL), a);
	assert_ptr_equal(snaptable_digest(&t, "0123456789", a), c);
	assert_null(snaptable_digest(&t, "0123456789", c));
	assert_ptr_equal(snaptable_digest(&t, "01234567ff", NULL), b);
	assert_int_equal(snaptable_bytes(&t), 20);
	assert_true(snaptable_uses(&t, "0123456789", a));
	assert_true(snaptable_uses(&t, "0123456789", c));
	assert_false(snaptable_uses(&t, "01234567ff", b));
	snaptable_drop(&t, a);
	assert_ptr_equal(snaptable_digest(&t, "0123456789", NULL), c);
	assert_false(snaptable_uses(&t, "0123456789", c));
	snaptable_free(&t);
	assert_null(snaptable_digest(&t, "0123456789", NULL));
}

static void walks_go_on(void **state)
{
	static struct snapshot_table t;
	struct snapshot_walk w = {0};
	struct snapshot *b;
	struct snapshot *c;

	(void)state;
	(void)add(&t, "a", "1");
	b = add(&t, "b", "2");
	c = add(&t, "c", "3");
	w.at = t.first;
	DL_APPEND(t.walks, &w);
	assert_string_equal(snapshots_walk_next(&w)->name, "a");
	snaptable_drop(&t, b);
	(void)add(&t, "d", "4");
	c->leaving = true;
	assert_string_equal(snapshots_walk_next(&w)->name, "d");
	assert_null(snapshots_walk_next(&w));
	DL_DELETE(t.walks, &w);
	snaptable_free(&t);
}

static int begin(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	dirfd_ = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ >= 0 ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	(void)close(dirfd_);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(thousands),
					   cmocka_unit_test(names_of_a_content),
					   cmocka_unit_test(walks_go_on)};

	return cmocka_run_group_tests(tests, begin, end);
}
