/* SPDX-License-Identifier: BSD-3-Clause */
/* Bundles and containers' folders, without engines and VMs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/bundle.h"
#include "oci/hooks.h"
#include "oci/place.h"
#include "oci/state.h"

static char folder[] = "/tmp/chaos-oci-unit-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
	char path[200];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/rootfs", folder);
	if (mkdir(path, 0755) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/rootfs/.chaos", folder);
	if (mkdir(path, 0755) < 0)
		return -1;
	write_file("rootfs/.chaos/kernel", "no kernel");
	(void)snprintf(path, sizeof(path), "%s/rootfs/leads-out", folder);
	if (symlink("/etc/passwd", path) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/rootfs/fifo", folder);
	return mkfifo(path, 0600);
}

static int remove_folder(void **state)
{
	char command[200];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

#define ROOT "\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"rootfs\"}"

static void refused(const char *config, const char *part)
{
	struct bundle b;
	struct err e = {0};

	write_file("config.json", config);
	assert_true(bundle_read(&b, folder, &e) < 0);
	if (!strstr(e.msg, part))
		fail_msg("\"%s\" is not in: %s", part, e.msg);
	bundle_free(&b);
}

static void bundles_that_are_none(void **state)
{
	struct bundle b;
	struct err e = {0};

	(void)state;
	refused("{", "line 1");
	refused("[]", "ociVersion");
	refused("{\"ociVersion\": \"2.0\"}", "ociVersion 2.0");
	refused("{\"ociVersion\": \"1.0.2\"}", "root.path is missing");
	refused("{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"nowhere\"}}",
		"root.path \"nowhere\"");
	refused("{" ROOT ", \"process\": {\"args\": \"x\"}}", "process.args is not an array");
	refused("{" ROOT ", \"process\": {\"args\": [\"x\", 2]}}",
		"process.args[1] is not a string");
	refused("{" ROOT ", \"hooks\": {\"prestart\": [{\"path\": \"x\"}]}}", "absolute path");
	refused("{" ROOT ", \"hooks\": {\"prestart\": [{\"path\": \"/x\", \"env\": [1]}]}}",
		"env of a hook[0]");
	refused("{" ROOT ", \"hooks\": {\"startContainer\": [{\"path\": \"/x\"}]}}",
		"startContainer");
	assert_int_equal(bundle_read(&b, "/nowhere", &e), -ENOENT);
	bundle_free(&b);
}

static const char *key(const struct plan *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; p->set[i]; i++)
		if (strncmp(p->set[i], name, len) == 0 && p->set[i][len] == '=')
			return p->set[i] + len + 1;
	return NULL;
}

static int plan(struct plan *p, const char *rest, struct err *e)
{
	char config[1024];
	struct bundle b;
	int rc;

	(void)snprintf(config, sizeof(config), "{" ROOT "%s}", rest);
	write_file("config.json", config);
	assert_int_equal(bundle_read(&b, folder, e), 0);
	rc = plan_make(p, &b, "/nowhere/vmlinuz", NULL, NULL, "oci-x", "uuid", e);
	bundle_free(&b);
	return rc;
}

static void what_a_bundle_asks_for(void **state)
{
	struct plan p;

	(void)state;
	assert_int_equal(plan(&p, "", NULL), 0);
	assert_string_equal(key(&p, "name"), "oci-x");
	assert_string_equal(key(&p, "cmdline"), "");
	assert_string_equal(key(&p, "memory"), "4");
	assert_null(key(&p, "vcpus"));
	assert_true(p.kernel_fd >= 0);
	plan_free(&p);
	assert_int_equal(
		plan(&p,
		     ", \"process\": {\"args\": [\"/.chaos/kernel\", \"a=1\", \"b c\"]},"
		     "\"annotations\": {\"org.chaos.type\": \"pvh\"}, \"linux\": {\"resources\": "
		     "{\"memory\": {\"limit\": 1048576}, \"cpu\": {\"quota\": 150000, \"period\": "
		     "100000, \"shares\": 2, \"cpus\": \"0-1\"}}}",
		     NULL),
		0);
	assert_string_equal(key(&p, "cmdline"), "a=1 b c");
	assert_string_equal(key(&p, "memory"), "1024K");
	assert_string_equal(key(&p, "vcpus"), "2");
	assert_string_equal(key(&p, "cap"), "150");
	assert_string_equal(key(&p, "cpu_weight"), "1");
	assert_string_equal(key(&p, "cpus"), "0-1");
	assert_string_equal(key(&p, "type"), "pvh");
	plan_free(&p);
	/* "no limit" as engines say it */
	assert_int_equal(plan(&p,
			      ", \"linux\": {\"resources\": {\"memory\": {\"limit\": -1}, \"cpu\": "
			      "{\"quota\": -1, \"shares\": 262144}}}",
			      NULL),
			 0);
	assert_string_equal(key(&p, "memory"), "4");
	assert_null(key(&p, "cap"));
	assert_string_equal(key(&p, "cpu_weight"), "65535");
	plan_free(&p);
}

static void no_kernel(const char *path, int rc, const char *part)
{
	char rest[300];
	struct plan p;
	struct err e = {0};

	(void)snprintf(rest, sizeof(rest), ", \"annotations\": {\"org.chaos.kernel\": \"%s\"}",
		       path);
	assert_int_equal(plan(&p, rest, &e), rc);
	if (!strstr(e.msg, part))
		fail_msg("\"%s\" is not in: %s", part, e.msg);
	plan_free(&p);
}

static void kernels_stay_inside_the_image(void **state)
{
	(void)state;
	no_kernel("/leads-out", -ENOENT, "No such file");
	no_kernel("../../../../../../etc/passwd", -ENOENT, "No such file");
	no_kernel("/fifo", -EINVAL, "not a regular file");
	no_kernel("/", -EINVAL, "not a regular file");
}

static void a_container_and_its_folder(void **state)
{
	char root[200];
	struct oci o = {.root = root};
	struct bundle b;
	struct container c;
	struct container again;
	struct err e = {0};

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/deep/root", folder);
	write_file("config.json", "{" ROOT ", \"annotations\": {\"a\": \"b\"}}");
	assert_int_equal(bundle_read(&b, folder, &e), 0);
	assert_int_equal(container_open(&c, &o, "x", &e), -ENOENT);
	container_close(&c);
	assert_int_equal(container_new(&c, &o, "x", &b, &e), 0);
	assert_int_equal(container_new(&again, &o, "x", &b, &e), -EEXIST);
	container_close(&again);
	assert_int_equal(container_open(&again, &o, "x", &e), 0);
	assert_int_equal(again.status, OCI_CREATING);
	assert_string_equal(again.uuid, c.uuid);
	container_close(&again);
	assert_int_equal(container_set_pid(&c, getpid(), &e), 0);
	assert_int_equal(container_open(&again, &o, "x", &e), 0);
	assert_int_equal(again.status, OCI_CREATED);
	container_close(&again);
	assert_int_equal(container_mark(&c, "started", true, &e), 0);
	assert_int_equal(container_mark(&c, "paused", true, &e), 0);
	assert_int_equal(container_open(&again, &o, "x", &e), 0);
	assert_int_equal(again.status, OCI_PAUSED);
	container_close(&again);
	/* a later process of the same number */
	c.pid_started = 1;
	assert_int_equal(container_wait(&c, 0, &e), 0);
	assert_int_equal(container_remove(&c, &o, &e), 0);
	container_close(&c);
	assert_int_equal(container_open(&c, &o, "x", &e), -ENOENT);
	container_close(&c);
	bundle_free(&b);
}

static void ids(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "../x", "-x", "a b", "\xff"};
	struct oci o = {.root = folder};
	struct container c;
	char longest[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(container_open(&c, &o, bad[i], NULL), -EINVAL);
		container_close(&c);
	}
	memset(longest, 'x', sizeof(longest));
	longest[121] = '\0';
	assert_int_equal(container_open(&c, &o, longest, NULL), -EINVAL);
	container_close(&c);
	longest[120] = '\0';
	assert_int_equal(container_open(&c, &o, longest, NULL), -ENOENT);
	container_close(&c);
}

static void cgroups_by_name(void **state)
{
	char *path;
	struct err e = {0};

	(void)state;
	path = place_cgroup("/a/b", &e);
	assert_string_equal(path, "/sys/fs/cgroup/a/b");
	free(path);
	path = place_cgroup("machine.slice:libpod:x", &e);
	assert_string_equal(path, "/sys/fs/cgroup/machine.slice/libpod-x.scope");
	free(path);
	path = place_cgroup("a-b-c.slice::x", &e);
	assert_string_equal(path, "/sys/fs/cgroup/a.slice/a-b.slice/a-b-c.slice/x.scope");
	free(path);
	assert_null(place_cgroup("../x", &e));
	assert_null(place_cgroup("/a/../../x", &e));
	assert_null(place_cgroup("a:b", &e));
	assert_null(place_cgroup("nothing:b:c", &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundles_that_are_none),
		cmocka_unit_test(what_a_bundle_asks_for),
		cmocka_unit_test(kernels_stay_inside_the_image),
		cmocka_unit_test(a_container_and_its_folder),
		cmocka_unit_test(ids),
		cmocka_unit_test(cgroups_by_name),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
