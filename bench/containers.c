/* SPDX-License-Identifier: BSD-3-Clause */
/* A container through an OCI runtime alone, as an engine calls it: create, start, first output,
 * end, delete. crun with a process, chaos-oci with a unikernel, or with a Linux that has booted. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define FOLDER	"/run/chaos-bench-oci"
#define PID	FOLDER "/pid"
#define REST_US 30000 /* the pool refills, and pages are given back */

struct runtime {
	const char *name;      /* of metrics */
	const char *bundle;    /* beneath FOLDER */
	const char *head[5];   /* the program with its options; ends with NULL */
	const char *create[3]; /* options of create; ends with NULL */
};

static const struct runtime crun = {.name = "crun",
				    .bundle = FOLDER "/process",
				    .head = {"crun", "--cgroup-manager=disabled"},
				    .create = {"--no-pivot"}};
static const struct runtime chaos_oci = {.bundle = FOLDER "/unikernel",
					 .head = {"chaos-oci", "--root", FOLDER "/state"}};

static const struct runtime ahead = {
	.bundle = FOLDER "/process",
	.head = {"chaos-oci", "--root", FOLDER "/state", "--ahead=require"}};

static void make_bundles(void)
{
	static const char text[] =
		"set -e; rm -rf " FOLDER "; mkdir -p " FOLDER "/process/rootfs/bin " FOLDER
		"/process/rootfs/proc " FOLDER "/process/rootfs/dev " FOLDER
		"/unikernel/rootfs/.chaos; cp /bin/busybox " FOLDER "/process/rootfs/bin/; "
		"cp " CHAOS_GUEST_DIR "/hello " FOLDER "/unikernel/rootfs/.chaos/kernel; "
		"p='{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"hostname\":"
		"\"bench\","
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":"
		"\"ipc\"},"
		"{\"type\":\"uts\"},{\"type\":\"network\"}]},\"process\":{\"terminal\":false,"
		"\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":'; "
		"echo \"$p[\\\"/bin/busybox\\\",\\\"echo\\\",\\\"hello\\\"]}}\" >" FOLDER
		"/process/config.json; echo \"$p[\\\"hello\\\"]}}\" >" FOLDER
		"/unikernel/config.json";

	if (system(text) != 0)
		die("%s: cannot make the bundles", FOLDER);
}

static int start(const struct runtime *r, const char *const *words, int out, pid_t *pid)
{
	const char *argv[16];
	posix_spawn_file_actions_t files;
	int n = 0;
	int rc;

	for (int i = 0; r->head[i]; i++)
		argv[n++] = r->head[i];
	for (int i = 0; words[i]; i++)
		argv[n++] = words[i];
	argv[n] = NULL;
	if (posix_spawn_file_actions_init(&files) != 0)
		die("out of memory");
	if (posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) ||
	    (out >= 0 && posix_spawn_file_actions_adddup2(&files, out, 1)))
		die("out of memory");
	rc = posix_spawnp(pid, argv[0], &files, NULL, (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	return rc;
}

static int end_of(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	return status;
}

static void step(const struct runtime *r, const char *const *words, int out)
{
	pid_t pid = 0;
	int rc = start(r, words, out, &pid);

	if (rc != 0)
		die("%s: %s", r->head[0], strerror(rc));
	if (end_of(pid) != 0)
		die("%s %s failed", r->head[0], words[0]);
}

static pid_t read_pid(void)
{
	char text[32] = "";
	FILE *f = fopen(PID, "re");

	if (!f || !fgets(text, sizeof(text), f))
		die("%s: no pid", PID);
	(void)fclose(f);
	return (pid_t)strtol(text, NULL, 10);
}

/* Not NULL: the pool is full before each container. */
static struct chaos *wait_for;

struct times {
	struct samples create, output, deleted;
};

/* One container's life, from the first command on. */
static void one(const struct runtime *r, struct times *t, bool counts)
{
	const char *create[12] = {"create", "--bundle", r->bundle, "--pid-file", PID};
	uint64_t begin;
	uint64_t created;
	uint64_t output;
	char data[4096];
	int pipes[2];
	int n = 5;

	for (int i = 0; r->create[i]; i++)
		create[n++] = r->create[i];
	create[n++] = "bench";
	create[n] = NULL;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	begin = clock_ns();
	step(r, create, pipes[1]);
	(void)close(pipes[1]);
	created = clock_ns();
	step(r, (const char *const[]){"start", "bench", NULL}, -1);
	if (read(pipes[0], data, sizeof(data)) <= 0)
		die("%s: no output", r->bundle);
	output = clock_ns();
	if (end_of(read_pid()) != 0)
		die("%s: the container failed", r->bundle);
	step(r, (const char *const[]){"delete", "bench", NULL}, -1);
	if (counts) {
		samples_add(&t->create, created - begin);
		samples_add(&t->output, output - begin);
		samples_add(&t->deleted, clock_ns() - begin);
	}
	(void)close(pipes[0]);
	(void)usleep(REST_US);
	if (wait_for)
		conn_wait_ready(wait_for, 2);
}

static void print(struct times *t, const char *name)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_created", name);
	samples_print(&t->create, "containers", metric);
	(void)snprintf(metric, sizeof(metric), "%s_output", name);
	samples_print(&t->output, "containers", metric);
	(void)snprintf(metric, sizeof(metric), "%s_deleted", name);
	samples_print(&t->deleted, "containers", metric);
}

static uint64_t median(const struct samples *s)
{
	return s->ns[s->n / 2];
}

static void run(const struct runtime *r, struct times *t, const char *name, unsigned int n)
{
	for (unsigned int i = 0; i < n + 2; i++)
		one(r, t, i >= 2);
	print(t, name);
}

static void compare(const struct times *t, const struct times *with, const char *name)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_output_over_crun", name);
	number_print("containers", metric, "ratio",
		     (double)median(&t->output) / (double)median(&with->output));
	(void)snprintf(metric, sizeof(metric), "%s_deleted_over_crun", name);
	number_print("containers", metric, "ratio",
		     (double)median(&t->deleted) / (double)median(&with->deleted));
}

void bench_containers(unsigned int n)
{
	static const char flavor[] =
		"type=pv memory=4 image=" FOLDER "/unikernel/rootfs/.chaos/kernel count=%d";
	static struct times process;
	static struct times cold;
	static struct times warm;
	struct chaos *c = conn_open();
	char text[200];

	make_bundles();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	run(&crun, &process, "crun", n);
	run(&chaos_oci, &cold, "unikernel_cold", n);
	compare(&cold, &process, "unikernel_cold");
	(void)snprintf(text, sizeof(text), flavor, 3);
	conn_set_pool(c, text);
	conn_wait_ready(c, 3);
	run(&chaos_oci, &warm, "unikernel_warm", n);
	compare(&warm, &process, "unikernel_warm");
	(void)snprintf(text, sizeof(text), flavor, 0);
	conn_set_pool(c, text);
	chaos_close(c);
	if (system("rm -rf " FOLDER) != 0)
		die("%s: cannot be removed", FOLDER);
}

/* The pool has copies of such a Linux: their number is what it is set to. */
void bench_aheadcontainers(unsigned int n)
{
	static struct times process;
	static struct times linux_ahead;
	struct chaos *c = conn_open();

	make_bundles();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	wait_for = c; /* what fills the pool takes the CPU */
	run(&crun, &process, "crun", n);
	run(&ahead, &linux_ahead, "linux_ahead", n);
	compare(&linux_ahead, &process, "linux_ahead");
	chaos_close(c);
	if (system("rm -rf " FOLDER) != 0)
		die("%s: cannot be removed", FOLDER);
}
