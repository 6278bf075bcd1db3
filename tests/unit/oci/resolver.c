/* SPDX-License-Identifier: BSD-3-Clause */
/* Which containers have docker's name server. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/resolver.h"

static char folder[] = "/tmp/chaos-unit-resolver-XXXXXX";

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static bool wanted(const char *mounts, const char *namespaces)
{
	struct err e = {0};
	char text[2048];
	struct bundle b;
	bool is;

	(void)snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},"
		       "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"mounts\":[%s],"
		       "\"linux\":{\"namespaces\":[%s]}}",
		       mounts, namespaces);
	write_file("config.json", text);
	assert_return_code(bundle_read(&b, folder, &e), e.code);
	is = resolver_wanted(&b);
	bundle_free(&b);
	return is;
}

static void test_text(void **state)
{
	(void)state;
	assert_true(resolver_named("nameserver 127.0.0.11\n"));
	assert_true(resolver_named("search a b\n  nameserver\t127.0.0.11"));
	assert_true(resolver_named(
		"nameserver 1.1.1.1\n\n\nnameserver 127.0.0.11 x\noptions ndots:0\n"));
	assert_false(resolver_named(""));
	assert_false(resolver_named("\n\n"));
	assert_false(resolver_named("nameserver 127.0.0.1\nnameserver 127.0.0.110\n"));
	assert_false(resolver_named("# nameserver 127.0.0.11\n#nameserver 127.0.0.11\n"));
	assert_false(resolver_named("options 127.0.0.11\nnameservers 127.0.0.11\n"));
}

static void test_bundle(void **state)
{
	const char *mount = "{\"destination\":\"/etc/resolv.conf\",\"source\":\"resolv.conf\","
			    "\"options\":[\"rbind\"]}";
	const char *own = "{\"type\":\"pid\"},{\"type\":\"network\"}";

	(void)state;
	write_file("resolv.conf", "nameserver 127.0.0.11\noptions ndots:0\n");
	assert_true(wanted(mount, own));
	assert_false(wanted("", own));
	assert_false(wanted("{\"destination\":\"/etc/hosts\",\"source\":\"resolv.conf\"}", own));
	/* the host's, and one that another container may have */
	assert_false(wanted(mount, "{\"type\":\"pid\"}"));
	assert_false(wanted(mount, "{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"}"));
	write_file("resolv.conf", "nameserver 10.0.0.1\n");
	assert_false(wanted(mount, own));
	assert_return_code(unlink("resolv.conf"), errno);
	assert_false(wanted(mount, own));
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? mkdir("rootfs", 0755) : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink("config.json");
	(void)rmdir("rootfs");
	return chdir("/") == 0 ? rmdir(folder) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text),
					   cmocka_unit_test(test_bundle)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
