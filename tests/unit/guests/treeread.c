/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders that cannot be read to their end, as streams of files. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/tree/tree.h"
#include "tests/unit/readdir_help.h"

static char folder[] = "/tmp/chaos-unit-treeread-XXXXXX";

static int drop(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return 0;
}

/* A copy that lacks what could not be read is an error, and not a smaller copy. */
static void a_part_is_not_the_whole(void **state)
{
	struct tree_out out = {.write = drop};
	bool failed = true;

	(void)state;
	for (uint32_t nth = 1; failed; nth++) {
		struct tree_count c = {0};
		struct tree_fault f = {0};
		int rc;

		readdir_fail_at(nth);
		rc = tree_send(&out, folder, &c, &f);
		failed = readdir_failed();
		readdir_fail_at(0);
		assert_int_equal(rc, failed ? -EIO : 0);
		assert_int_equal(f.code, failed ? EIO : 0);
		assert_true(nth > 7 || failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_part_is_not_the_whole)};
	int rc;

	if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("sub", 0755) < 0 ||
	    mkdir("sub/deep", 0755) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (rmdir("sub/deep") < 0 || rmdir("sub") < 0 || chdir("/") < 0 || rmdir(folder) < 0)
		return 1;
	return rc;
}
