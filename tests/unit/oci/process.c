/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of "chaos exec" over a container's process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "oci/process.h"

/* The process as sorted text, or the error's. */
static void check(const char *base, const char *words, const char *want)
{
	json_t *b = base ? json_loads(base, 0, NULL) : NULL;
	json_t *w = json_loads(words, 0, NULL);
	struct err e = {0};
	json_t *p = process_beside(b, w, &e);
	char *text = p ? json_dumps(p, JSON_SORT_KEYS | JSON_COMPACT) : strdup(err_msg(&e));

	assert_string_equal(text, want);
	assert_int_equal(e.code, p ? 0 : EINVAL);
	free(text);
	json_decref(p);
	json_decref(w);
	json_decref(b);
}

static void test_container(void **state)
{
	static const char base[] = "{\"args\":[\"x\"],\"cwd\":\"/srv\",\"env\":[\"A=1\",\"B=2\"],"
				   "\"user\":{\"uid\":5},\"terminal\":true,\"consoleSize\":{}}";

	(void)state;
	check(base, "{\"args\":[\"y\",\"z\"]}",
	      "{\"args\":[\"y\",\"z\"],\"cwd\":\"/"
	      "srv\",\"env\":[\"A=1\",\"B=2\"],\"terminal\":false,"
	      "\"user\":{\"uid\":5}}");
	check(base,
	      "{\"args\":[\"y\"],\"env\":[\"B=3\",\"C=4\",\"A=\"],\"cwd\":\"/\",\"user\":\"bob\","
	      "\"terminal\":true}",
	      "{\"args\":[\"y\"],\"cwd\":\"/\",\"env\":[\"A=\",\"B=3\",\"C=4\"],\"terminal\":true,"
	      "\"user\":{\"name\":\"bob\"}}");
	check("{\"args\":[]}", "{\"args\":[\"y\"],\"env\":[\"AB=1\",\"A=2\"]}",
	      "{\"args\":[\"y\"],\"env\":[\"AB=1\",\"A=2\"],\"terminal\":false}");
}

static void test_none(void **state)
{
	(void)state;
	check(NULL, "{\"args\":[\"y\"],\"env\":[\"PATH=/x\"]}",
	      "{\"args\":[\"y\"],\"cwd\":\"/\",\"env\":[\"PATH=/x\"],\"terminal\":false}");
	check(NULL, "{\"args\":[\"/a\",\"b\"],\"copy\":\"receive\",\"user\":\"bob\"}",
	      "{\"args\":[\"/a\",\"b\"],\"copy\":\"receive\",\"cwd\":\"/\"}");
}

static void test_wrong(void **state)
{
	(void)state;
	check(NULL, "{}", "args is not an array");
	check(NULL, "[]", "args is not an array");
	check(NULL, "{\"args\":\"x\"}", "args is not an array");
	check(NULL, "{\"args\":[\"x\"],\"env\":[\"A\"]}", "env: \"A\" is not NAME=VALUE");
	check(NULL, "{\"args\":[\"x\"],\"env\":[\"=1\"]}", "env: \"=1\" is not NAME=VALUE");
	check(NULL, "{\"args\":[\"x\"],\"env\":[1]}", "env: \"\" is not NAME=VALUE");
	check(NULL, "{\"args\":[\"x\"],\"copy\":\"x\"}", "copy: neither \"send\" nor \"receive\"");
	check(NULL, "{\"args\":[\"x\"],\"copy\":1}", "copy: neither \"send\" nor \"receive\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_container),
					   cmocka_unit_test(test_none),
					   cmocka_unit_test(test_wrong)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
