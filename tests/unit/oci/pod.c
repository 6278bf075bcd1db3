/* SPDX-License-Identifier: BSD-3-Clause */
/* Pods: what annotations and namespaces of a bundle say, and what its VM is then. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/pod.h"

static char folder[] = "/tmp/chaos-unit-pod-XXXXXX";

static void read_bundle(struct bundle *b, const char *rest)
{
	FILE *f = fopen("config.json", "w");
	struct err e = {0};

	assert_non_null(f);
	assert_true(fprintf(f,
			    "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"rootfs\", "
			    "\"readonly\": true}%s}",
			    rest) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(bundle_read(b, ".", &e), 0);
}

static enum pod_role role_of(const char *annotations, const char *sandbox)
{
	char text[512];
	struct bundle b;
	enum pod_role role;

	(void)snprintf(text, sizeof(text), ", \"annotations\": {%s}", annotations);
	read_bundle(&b, text);
	role = pod_role(&b);
	if (sandbox)
		assert_string_equal(pod_sandbox(&b), sandbox);
	else
		assert_null(pod_sandbox(&b));
	bundle_free(&b);
	return role;
}

static void test_roles(void **state)
{
	(void)state;
	assert_int_equal(role_of("", NULL), POD_NONE);
	assert_int_equal(role_of("\"io.kubernetes.cri.container-type\": \"sandbox\", "
				 "\"io.kubernetes.cri.sandbox-id\": \"s1\"",
				 "s1"),
			 POD_SANDBOX);
	assert_int_equal(role_of("\"io.kubernetes.cri.container-type\": \"container\", "
				 "\"io.kubernetes.cri.sandbox-id\": \"s2\"",
				 "s2"),
			 POD_MEMBER);
	assert_int_equal(role_of("\"io.kubernetes.cri-o.ContainerType\": \"container\", "
				 "\"io.kubernetes.cri-o.SandboxID\": \"s3\"",
				 "s3"),
			 POD_MEMBER);
	assert_int_equal(role_of("\"io.kubernetes.cri.container-type\": \"else\"", NULL), POD_NONE);
	assert_int_equal(role_of("\"io.kubernetes.cri.container-type\": 1", NULL), POD_NONE);
}

/* podman says it also of containers whose first one is another runtime's. */
static void test_forget(void **state)
{
	struct bundle b;

	(void)state;
	read_bundle(&b,
		    ", \"annotations\": {\"io.kubernetes.cri-o.ContainerType\": \"container\"}");
	assert_true(pod_forget(&b));
	assert_int_equal(pod_role(&b), POD_NONE);
	bundle_free(&b);
	read_bundle(&b, ", \"annotations\": {\"io.kubernetes.cri.container-type\": \"container\"}");
	assert_false(pod_forget(&b));
	assert_int_equal(pod_role(&b), POD_MEMBER);
	bundle_free(&b);
}

static bool shares_pids(const char *namespaces)
{
	struct container c = {.uuid = "u-1", .disk = "xvdc"};
	char text[512];
	struct bundle b;
	json_t *words;
	bool shares;

	(void)snprintf(text, sizeof(text),
		       ", \"linux\": {\"namespaces\": [%s]}, \"mounts\": [{\"type\": \"proc\"}]",
		       namespaces);
	read_bundle(&b, text);
	words = pod_words(&b, &c);
	assert_non_null(words);
	assert_string_equal(json_string_value(json_object_get(words, "container")), "u-1");
	assert_string_equal(json_string_value(json_object_get(words, "image")), "xvdc");
	assert_int_equal(json_array_size(json_object_get(words, "mounts")), 1);
	assert_true(json_is_true(json_object_get(words, "readonly")));
	shares = json_is_true(json_object_get(words, "pids"));
	json_decref(words);
	c.disk[0] = '\0';
	words = pod_words(&b, &c);
	assert_null(json_object_get(words, "image"));
	json_decref(words);
	bundle_free(&b);
	return shares;
}

static void test_namespaces(void **state)
{
	(void)state;
	assert_false(shares_pids("{\"type\": \"network\", \"path\": \"/x\"}, {\"type\": \"pid\"}"));
	assert_true(shares_pids("{\"type\": \"pid\", \"path\": \"/proc/7/ns/pid\"}"));
	assert_true(shares_pids("{\"type\": \"network\"}"));
}

static void test_volumes(void **state)
{
	static const struct {
		const char *source, *name;
	} of[] = {{"/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/scratch", "scratch"},
		  {"/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/", NULL},
		  {"/x/volumes/kubernetes.io~empty-dir/..", NULL},
		  {"/x/volumes/kubernetes.io~empty-dir/a/b", NULL},
		  {"/x/volumes/kubernetes.io~empty-dir/a\nb", NULL},
		  {"/srv", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		json_t *m = json_pack("{s:s}", "source", of[i].source);
		const char *name = pod_volume(m);

		if (of[i].name)
			assert_string_equal(name, of[i].name);
		else
			assert_null(name);
		json_decref(m);
	}
}

/* A container that is told to be in a pod has no VM of its own, whatever is in its image. */
static void test_unikernel(void **state)
{
	struct plan p;
	struct bundle b;
	struct err e = {0};

	(void)state;
	assert_int_equal(mkdir("rootfs/.chaos", 0755), 0);
	assert_true(close(open("rootfs/.chaos/kernel", O_WRONLY | O_CREAT, 0600)) == 0);
	read_bundle(&b, ", \"annotations\": {\"io.kubernetes.cri.container-type\": \"container\"}");
	assert_int_equal(plan_make(&p, &b, "/nowhere", NULL, NULL, "oci-x", "uuid", &e), -ENOTSUP);
	assert_non_null(strstr(err_msg(&e), "unikernel"));
	assert_null(p.set[0]);
	plan_free(&p);
	bundle_free(&b);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? mkdir("rootfs", 0755) : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles), cmocka_unit_test(test_forget),
		cmocka_unit_test(test_namespaces), cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_unikernel)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
