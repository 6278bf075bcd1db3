/* SPDX-License-Identifier: BSD-3-Clause */
/* exec: a process beside the container's first; this command waits for it, or a child of its. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix.h"
#include "oci/control.h"
#include "oci/oci.h"
#include "oci/pod.h"
#include "oci/process.h"
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
static json_t *from_words(const struct execution *x, const struct bundle *b, struct err *e)
{
	json_t *args = json_array();
	json_t *env = json_array();
	json_t *words;
	json_t *p;

	for (char **w = x->args; *w; w++)
		(void)json_array_append_new(args, json_string(*w));
	for (size_t i = 0; i < x->nenv; i++)
		(void)json_array_append_new(env, json_string(x->env[i]));
	words = json_pack("{s:o, s:o, s:b, s:s*, s:s*}", "args", args, "env", env, "terminal",
			  x->terminal, "cwd", x->cwd, "user", x->user);
	p = process_beside(bundle_get(b, "process"), words, e);
	json_decref(words);
	return p;
}

static int into_file(const json_t *p, struct err *e)
{
	int fd = memfd_create("process", MFD_CLOEXEC);

	if (fd >= 0 && json_dumpfd(p, fd, JSON_COMPACT) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return err_sys(e, errno, "exec: write the description of the process");
}

/* The process, the caller's. */
static int describe(struct execution *x, const struct container *c, json_t **out, struct err *e)
{
	json_error_t at;
	struct bundle b;
	json_t *p = NULL;
	int rc = 0;

	if (x->process) {
		p = json_load_file(x->process, JSON_REJECT_DUPLICATES, &at);
		if (!p)
			return err_set(e, EINVAL, "%s: line %d: %s", x->process, at.line, at.text);
	} else {
		rc = bundle_read(&b, c->bundle, e);
		if (rc == 0)
			p = from_words(x, &b, e);
		bundle_free(&b);
		if (!p)
			return rc < 0 ? rc : -EINVAL;
	}
	x->terminal = json_is_true(json_object_get(p, "terminal"));
	*out = p;
	return 0;
}

/* A terminal for which there is nothing, and the other way round, as other runtimes say it. */
static int check_terminal(const struct execution *x, struct err *e)
{
	if (x->console_socket && !x->terminal)
		return err_set(e, EINVAL,
			       "exec: --console-socket needs a terminal: give --tty, or a process "
			       "with terminal true");
	if (x->console_socket && !x->detach)
		return err_set(e, EINVAL, "exec: --console-socket needs --detach");
	if (x->terminal && x->detach && !x->console_socket)
		return err_set(e, EINVAL, "exec: a terminal and --detach need --console-socket");
	return 0;
}

/* --- as long as it runs --- */

static int connection = -1;

static void pass_on(int number)
{
	join_tell(connection, number == SIGWINCH ? CONTROL_WINDOW : CONTROL_KILL, (uint32_t)number);
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

/* The terminal becomes that of this process, which its size and its end are told then. A size that
 * it has got before is asked for. */
static __attribute__((noreturn)) void wait_detached(const struct container *c, int terminal)
{
	(void)setsid();
	catch_signals();
	if (terminal >= 0) {
		if (ioctl(terminal, TIOCSCTTY, 0) == 0)
			pass_on(SIGWINCH);
		(void)close(terminal);
	}
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd); /* the engine waits for their end */
	_exit(wait_for_end(c));
}

static int go_on(const struct execution *x, const struct container *c, int terminal, struct err *e)
{
	pid_t pid;
	int rc;

	if (!x->detach) {
		rc = write_pid(x->pid_file, getpid(), e);
		catch_signals();
		return rc < 0 ? rc : wait_for_end(c);
	}
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		wait_detached(c, terminal);
	return write_pid(x->pid_file, pid, e);
}

/* Standard input, output and errors of the process, into files[1] and on. */
static int open_files(const struct execution *x, const json_t *p, int files[CONTROL_FILES],
		      struct err *e)
{
	int rc = 0;

	if (x->console_socket) {
		files[1] = terminal_open(x->console_socket, true, p, e);
		files[2] = files[3] = files[1];
		return files[1] < 0 ? files[1] : 0;
	}
	for (int i = 0; i < 3 && rc == 0; i++) {
		files[i + 1] = join_own_file(i);
		rc = files[i + 1] < 0 ? err_sys(e, errno, "exec: open file %d", i) : 0;
	}
	return rc;
}

static void close_files(const int files[CONTROL_FILES], int but)
{
	for (int i = 0; i < CONTROL_FILES; i++)
		if (files[i] >= 0 && files[i] != but)
			(void)close(files[i]);
}

/* In a pod: in that container of the VM. `c` has its monitor, or is the sandbox. */
static int begin(struct execution *x, const struct container *c, const struct container *at,
		 int files[CONTROL_FILES], struct err *e)
{
	json_t *p = NULL;
	int rc = describe(x, c, &p, e);

	if (rc == 0 && c->pod)
		(void)json_object_set_new(p, "container", json_string(pod_name(c)));

	if (rc == 0)
		rc = check_terminal(x, e);
	if (rc == 0)
		rc = files[0] = into_file(p, e);
	if (rc >= 0)
		rc = open_files(x, p, files, e);
	json_decref(p);
	if (rc == 0)
		rc = connection = control_begin(at, CONTROL_EXEC, 0, files, CONTROL_FILES, e);
	return rc < 0 ? rc : control_hear(connection, START_MS, c, e);
}

static int execute(struct execution *x, const struct container *c, const struct container *at,
		   struct err *e)
{
	int files[CONTROL_FILES] = {-1, -1, -1, -1};
	int terminal;
	int rc;

	if (c->status != OCI_RUNNING)
		return err_set(e, EINVAL, "exec: container \"%s\" is %s", c->id,
			       oci_status_name(c->status));
	rc = begin(x, c, at, files, e);
	if (rc >= 0 && x->terminal && !x->console_socket)
		join_raw();
	terminal = x->console_socket ? files[1] : -1;
	close_files(files, terminal);
	if (rc >= 0)
		rc = go_on(x, c, terminal, e);
	if (terminal >= 0)
		(void)close(terminal);
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
	struct container sandbox = {.dir = -1};
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
		return err_set(e, EINVAL, "exec: give the id of one container and a command");
	x.args = argv + optind + 1;
	rc = container_open(&c, o, argv[optind], e);
	if (rc == 0 && c.pod)
		rc = container_open(&sandbox, o, c.pod, e);
	if (rc == 0)
		rc = execute(&x, &c, c.pod ? &sandbox : &c, e);
	container_close(&sandbox);
	container_close(&c);
	return rc;
}

const struct verb verb_exec = {.name = "exec",
			       .args = "[OPTION]... ID COMMAND...",
			       .what = "run another process in a Linux container",
			       .run = run_exec};
