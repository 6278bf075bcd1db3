/* SPDX-License-Identifier: BSD-3-Clause */
/* exec: a process beside the container's first; this command waits for it, or a child of its. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix.h"
#include "oci/control.h"
#include "oci/oci.h"
#include "oci/state.h"
#include "oci/terminal.h"

#define START_MS 60000

struct execution {
	const char *process, *console_socket, *pid_file, *cwd, *user;
	const char *env[64];
	size_t nenv;
	bool terminal, detach;
	char **args;
};

/* --- the process --- */

/* As the container's own, with other words. */
static json_t *from_words(const struct execution *x, const struct bundle *b)
{
	json_t *p = json_deep_copy(bundle_get(b, "process"));
	json_t *args = json_array();
	json_t *env = json_object_get(p, "env");

	for (char **w = x->args; *w; w++)
		(void)json_array_append_new(args, json_string(*w));
	(void)json_object_set_new(p, "args", args);
	if (x->nenv && !env) {
		env = json_array();
		(void)json_object_set_new(p, "env", env);
	}
	for (size_t i = 0; i < x->nenv; i++)
		(void)json_array_append_new(env, json_string(x->env[i]));
	if (x->cwd)
		(void)json_object_set_new(p, "cwd", json_string(x->cwd));
	if (x->user) {
		char *end = NULL;
		long uid = strtol(x->user, &end, 10);
		long gid = *end == ':' ? strtol(end + 1, NULL, 10) : uid;

		(void)json_object_set_new(
			p, "user",
			json_pack("{s:I, s:I}", "uid", (json_int_t)uid, "gid", (json_int_t)gid));
	}
	return p;
}

static int describe(struct execution *x, const struct container *c, struct err *e)
{
	json_error_t at;
	struct bundle b;
	json_t *p = NULL;
	int fd = -1;
	int rc = 0;

	if (x->process) {
		p = json_load_file(x->process, JSON_REJECT_DUPLICATES, &at);
		if (!p)
			return err_set(e, EINVAL, "%s: line %d: %s", x->process, at.line, at.text);
	} else {
		rc = bundle_read(&b, c->bundle, e);
		if (rc == 0)
			p = from_words(x, &b);
		bundle_free(&b);
		if (rc < 0)
			return rc;
		(void)json_object_set_new(p, "terminal", json_boolean(x->terminal));
	}
	x->terminal = json_is_true(json_object_get(p, "terminal"));
	fd = memfd_create("process", MFD_CLOEXEC);
	if (fd < 0 || json_dumpfd(p, fd, JSON_COMPACT) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		rc = err_sys(e, errno, "exec");
		if (fd >= 0)
			(void)close(fd);
	}
	json_decref(p);
	return rc < 0 ? rc : fd;
}

/* --- as long as it runs --- */

static int connection = -1;

static void pass_on(int number)
{
	struct control_request rq = {.op = number == SIGWINCH ? CONTROL_WINDOW : CONTROL_KILL,
				     .number = (uint32_t)number};

	(void)send(connection, &rq, sizeof(rq), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void catch_signals(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	struct sigaction a = {.sa_handler = pass_on};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaction(numbers[i], &a, NULL);
}

static int wait_for_end(const struct container *c)
{
	int rc;

	catch_signals();
	do {
		rc = control_hear(connection, -1, c, NULL);
	} while (rc == -EINTR);
	return rc < 0 ? 137 : rc & 255;
}

static int write_pid(const char *path, pid_t pid, struct err *e)
{
	FILE *f = path ? fopen(path, "we") : NULL;
	int rc = 0;

	if (!path)
		return 0;
	if (!f || fprintf(f, "%d", (int)pid) < 0)
		rc = err_sys(e, errno, "--pid-file \"%s\"", path);
	if (f && fclose(f) != 0 && rc == 0)
		rc = err_sys(e, errno, "--pid-file \"%s\"", path);
	return rc;
}

static int go_on(const struct execution *x, const struct container *c, struct err *e)
{
	pid_t pid;
	int rc;

	if (!x->detach) {
		rc = write_pid(x->pid_file, getpid(), e);
		return rc < 0 ? rc : wait_for_end(c);
	}
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid > 0)
		return write_pid(x->pid_file, pid, e);
	(void)setsid();
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd); /* the engine waits for their end */
	_exit(wait_for_end(c));
}

static int execute(struct execution *x, const struct container *c, struct err *e)
{
	int files[CONTROL_FILES] = {-1, 0, 1, 2};
	int rc;

	if (c->status != OCI_RUNNING)
		return err_set(e, EINVAL, "exec: container \"%s\" is %s", c->id,
			       oci_status_name(c->status));
	files[0] = describe(x, c, e);
	if (files[0] < 0)
		return files[0];
	if (x->terminal && x->console_socket) {
		files[1] = terminal_open(x->console_socket, true, e);
		files[2] = files[3] = files[1];
	}
	rc = files[1] < 0 ? files[1] : 0;
	if (rc == 0)
		rc = connection = control_begin(c, CONTROL_EXEC, 0, files, CONTROL_FILES, e);
	(void)close(files[0]);
	if (files[1] > 2)
		(void)close(files[1]);
	if (rc >= 0)
		rc = control_hear(connection, START_MS, c, e);
	if (rc >= 0)
		rc = go_on(x, c, e);
	if (connection >= 0)
		(void)close(connection);
	return rc;
}

/* --- the command --- */

static int run_exec(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"process", required_argument, NULL, 'p'},
					      {"console-socket", required_argument, NULL, 'c'},
					      {"pid-file", required_argument, NULL, 'f'},
					      {"cwd", required_argument, NULL, 'w'},
					      {"env", required_argument, NULL, 'e'},
					      {"user", required_argument, NULL, 'u'},
					      {"tty", no_argument, NULL, 't'},
					      {"detach", no_argument, NULL, 'd'},
					      {"preserve-fds", required_argument, NULL, 'i'},
					      {"no-new-privs", no_argument, NULL, 'i'},
					      {NULL, 0, NULL, 0}};
	struct execution x = {.process = NULL};
	struct container c;
	int option;
	int rc;

	while ((option = getopt_long(argc, argv, "+p:e:u:td", longs, NULL)) != -1)
		if (option == 'p')
			x.process = optarg;
		else if (option == 'c')
			x.console_socket = optarg;
		else if (option == 'f')
			x.pid_file = optarg;
		else if (option == 'w')
			x.cwd = optarg;
		else if (option == 'u')
			x.user = optarg;
		else if (option == 'e' && x.nenv < sizeof(x.env) / sizeof(x.env[0]))
			x.env[x.nenv++] = optarg;
		else if (option == 't')
			x.terminal = true;
		else if (option == 'd')
			x.detach = true;
		else if (option == '?')
			return -EINVAL;
	if (argc - optind < (x.process ? 1 : 2))
		return err_set(e, EINVAL, "name one container, and a command");
	x.args = argv + optind + 1;
	rc = container_open(&c, o, argv[optind], e);
	if (rc == 0)
		rc = execute(&x, &c, e);
	container_close(&c);
	return rc;
}

const struct verb verb_exec = {.name = "exec",
			       .args = "[OPTION]... ID COMMAND...",
			       .what = "run another process in a Linux container",
			       .run = run_exec};
