/* SPDX-License-Identifier: BSD-3-Clause */
/* create: the container's folder, cgroup, namespaces and monitor, the hooks, and the VM, paused. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/ahead.h"
#include "oci/bundle.h"
#include "oci/control.h"
#include "oci/hooks.h"
#include "oci/initrd.h"
#include "oci/linux.h"
#include "oci/member.h"
#include "oci/monitor.h"
#include "oci/network.h"
#include "oci/oci.h"
#include "oci/place.h"
#include "oci/pod.h"
#include "oci/resolver.h"
#include "oci/state.h"
#include "oci/terminal.h"
#include "oci/undo.h"
#include "oci/vm.h"

struct creation {
	const char *bundle_path, *console_socket, *pid_file;
	struct bundle b;
	struct container c;
	struct plan plan;
	char from[136];		/* the snapshot of VMs that have booted; "": none */
	struct network network; /* the monitor's */
	struct resolver resolver;
	uint64_t outside; /* place_network() of the command */
	const struct oci *o;
	struct container sandbox; /* of a container of a pod */
	int pod;		  /* ... its monitor, as a file; -1: it is in none */
	pid_t engine;		  /* container_engine(), when the engine was there */
	int link;		  /* to the children: a SEQPACKET socket */
	bool vm;		  /* there may be one of its own */
};

/* What goes over the link. From the first child the monitor's pid, then from the monitor whether
 * the VM is there; the other way, that hooks have run. */
struct word {
	int32_t rc; /* a negative errno with the message */
	int32_t pid;
	bool vm; /* of a negative rc: there may be a VM */
	char message[ERR_MSG_MAX];
};

static int say(const struct creation *k, int rc, pid_t pid, const struct err *e)
{
	struct word w = {.rc = rc, .pid = pid, .vm = k->vm};

	if (rc < 0)
		(void)strncpy(w.message, err_msg(e), sizeof(w.message) - 1);
	return send(k->link, &w, sizeof(w), MSG_NOSIGNAL) == (ssize_t)sizeof(w) ? 0 : -EPIPE;
}

static int hear(int link, struct word *w, struct err *e)
{
	ssize_t n;

	do {
		n = recv(link, w, sizeof(*w), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*w))
		return err_set(e, EPIPE, "the container's monitor has ended");
	w->message[sizeof(w->message) - 1] = '\0';
	return w->rc < 0 ? err_set(e, -w->rc, "%s", w->message) : 0;
}

/* --- in the monitor --- */

/* With a terminal the engine waits for the end of its own pipes, and goes on then. */
static int leave_stdio(struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return err_sys(e, errno, "/dev/null");
	if (null > 2)
		(void)close(null);
	return 0;
}

static int open_stdio(const struct creation *k, struct monitor_stdio *io, struct err *e)
{
	int fd;

	*io = (struct monitor_stdio){
		.in = 0, .out = 1, .err = k->plan.initrd_fd < 0 ? -1 : 2, .names = -1};
	if (!k->console_socket)
		return 0;
	io->err = -1;
	fd = terminal_open(k->console_socket, k->plan.initrd_fd >= 0, bundle_get(&k->b, "process"),
			   e);
	if (fd < 0)
		return fd;
	io->in = fd;
	io->out = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return io->out >= 0 ? leave_stdio(e) : err_sys(e, errno, "duplicate the terminal");
}

/* Nothing of the engine's stays open here but its standard input and output: it waits for the end
 * of what it gave. */
static int keep_files(const struct creation *k, int listener)
{
	int keep[] = {k->link,		k->c.dir, k->plan.kernel_fd, k->plan.initrd_fd,
		      k->plan.image.fd, listener, k->sandbox.dir,    k->pod};
	int from = 3;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if (next > from)
			(void)syscall(SYS_close_range, from, next - 1, 0);
		from = next + 1;
	}
	return (int)syscall(SYS_close_range, from, ~0U, 0);
}

/* One that has booted, or a new one. */
static int make_vm(struct creation *k, pid_t pid, struct err *e)
{
	int rc = k->plan.from[0] ? ahead_take(&k->c, &k->plan, pid, &k->vm, e) : -EAGAIN;

	if (rc != -EAGAIN || (k->plan.from[0] && k->o->ahead == AHEAD_REQUIRE))
		return rc;
	rc = k->plan.from[0] ? plan_boot(&k->plan, k->o->kernel, e) : 0;
	return rc == 0 ? vm_make(&k->plan, &k->vm, e) : rc;
}

/* Hooks write files of the container, and give it a name server. */
static int follow_hooks(struct creation *k, struct err *e)
{
	int rc;

	if (k->plan.initrd_fd < 0 || pod_role(&k->b) != POD_NONE || !hooks_has_first(&k->b))
		return 0;
	rc = initrd_renew(&k->b, k->plan.initrd_fd, e);
	return rc < 0 || !resolver_wanted(&k->b) ? rc : resolver_open(&k->resolver, e);
}

static int monitor_begin(struct creation *k, struct monitor_stdio *io, int *listener, struct err *e)
{
	struct word go;
	int rc;

	(void)setsid();
	(void)prctl(PR_SET_NAME, "chaos-oci", 0, 0, 0);
	(void)keep_files(k, -1);
	rc = open_stdio(k, io, e);
	if (rc == 0)
		rc = hear(k->link, &go, e);
	k->engine = container_engine();
	if (rc == 0)
		rc = follow_hooks(k, e);
	if (rc == 0)
		rc = place_drop_rights(e);
	if (rc == 0 && k->pod >= 0) {
		*listener = control_listen(&k->c, e);
		return *listener < 0 ? *listener : 0;
	}
	if (rc == 0 && place_network() != k->outside) /* what the hooks have made is in it */
		rc = network_read(&k->network, e);
	if (rc == 0)
		rc = plan_add_network(&k->plan, &k->network, go.pid, e);
	if (rc < 0)
		return rc;
	/* before the VM, with which its state is "created": what reads that can connect */
	*listener = control_listen(&k->c, e);
	if (*listener < 0)
		return *listener;
	rc = make_vm(k, go.pid, e);
	if (rc == 0 && k->resolver.udp >= 0)
		rc = io->names = resolver_start(&k->resolver, e);
	if (rc >= 0 && k->plan.initrd_fd >= 0)
		control_publish(&k->c);
	return rc < 0 ? rc : 0;
}

/* An engine whose process for this container was killed hears of its end from nobody, and does not
 * ask for "delete" then (podman). What it knows is that there is none of this id. */
static void leave_nothing(struct creation *k)
{
	pid_t engine = container_engine();
	struct err e = {0};

	if (engine < 0 || k->engine < 0 || engine == k->engine)
		return;
	if (undo_container(&k->c, k->o, true, &e) < 0)
		oci_log(k->o, err_msg(&e));
}

static int run(struct creation *k, bool is_linux, int listener, const struct monitor_stdio *io,
	       struct err *e)
{
	if (k->pod >= 0)
		return member_run(&k->c, &k->b, &k->sandbox, k->pod, listener, io);
	return is_linux ? linux_run(&k->c, &k->b, &k->network, k->plan.initrd_fd, listener, io, e)
			: monitor_run(&k->c, listener, io);
}

static __attribute__((noreturn)) void monitor_main(struct creation *k)
{
	struct monitor_stdio io;
	struct err e = {0};
	int listener = -1;
	bool is_linux;
	int rc = monitor_begin(k, &io, &listener, &e);

	is_linux = k->plan.initrd_fd >= 0;
	if (rc == 0 && k->plan.kernel_fd >= 0)
		(void)close(k->plan.kernel_fd);
	if (rc == 0 && is_linux && !k->plan.from[0]) {
		(void)close(k->plan.initrd_fd);
		k->plan.initrd_fd = -1;
	}
	if (say(k, rc, 0, &e) < 0 && rc == 0) {
		/* what asked for it is gone, and will not say that it is there */
		(void)vm_remove(k->c.uuid, NULL);
		rc = -EPIPE;
	}
	(void)close(k->link);
	if (rc < 0)
		_exit(255);
	rc = run(k, is_linux, listener, &io, &e);
	if (e.code)
		oci_log(k->o, err_msg(&e));
	leave_nothing(k);
	_exit(rc);
}

/* The first child: it goes where the monitor shall be, makes it, and ends. */
static __attribute__((noreturn)) void enter_main(struct creation *k)
{
	struct err e = {0};
	int rc = place_enter(&k->b, &k->c, &e);
	pid_t pid = rc == 0 ? fork() : -1;

	if (pid == 0)
		monitor_main(k);
	if (rc == 0 && pid < 0)
		rc = err_sys(&e, errno, "fork");
	(void)say(k, rc, pid, &e);
	_exit(0);
}

/* --- in the command --- */

static int make_monitor(struct creation *k, struct err *e)
{
	int pair[2];
	struct word w;
	pid_t pid;
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		k->link = pair[1];
		enter_main(k);
	}
	(void)close(pair[1]);
	k->link = pair[0];
	if (pid < 0)
		return err_sys(e, errno, "fork");
	rc = hear(k->link, &w, e);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc < 0 ? rc : container_set_pid(&k->c, w.pid, e);
}

/* Everything of a container that did not come to be. */
static void undo(struct creation *k, const struct oci *o, struct err *e)
{
	if (k->c.pid > 0) {
		(void)kill(k->c.pid, SIGKILL);
		(void)container_wait(&k->c, 10000, NULL);
		(void)waitpid(k->c.pid, NULL, WNOHANG); /* of a subreaper */
	}
	place_remove_cgroup(&k->c);
	undo_create(&k->c, o, k->vm, e);
}

/* Which VMs that have booted fit. What a unikernel is, is not known yet: it uses none. */
static int find_ahead(struct creation *k, const struct oci *o, struct err *e)
{
	int rc;

	if (o->ahead == AHEAD_NEVER || pod_role(&k->b) != POD_NONE)
		return 0;
	rc = ahead_find(&k->b, k->from, sizeof(k->from), e);
	return rc < 0 && o->ahead == AHEAD_REQUIRE ? rc : 0;
}

/* Its monitor runs outside of the PID namespace that this container's will have. */
static int find_sandbox(struct creation *k, struct err *e)
{
	int rc = pod_open(&k->b, k->o, &k->sandbox, e);

	if (rc == -ENOENT && pod_forget(&k->b))
		return 0;
	if (rc == 0)
		rc = k->pod = (int)syscall(SYS_pidfd_open, k->sandbox.pid, 0);
	if (k->pod < 0 && rc == -1)
		rc = err_sys(e, errno, "open process %d", (int)k->sandbox.pid);
	return rc < 0 ? rc : 0;
}

static int create(struct creation *k, const struct oci *o, const char *id, struct err *e)
{
	struct word w = {0};
	int rc = bundle_read(&k->b, k->bundle_path, e);

	if (rc == 0 && bundle_get(&k->b, "process.terminal") &&
	    json_is_true(bundle_get(&k->b, "process.terminal")) != (k->console_socket != NULL))
		rc = err_set(
			e, EINVAL,
			k->console_socket
				? "--console-socket is given, but process.terminal in config.json "
				  "is not true"
				: "process.terminal in config.json is true: give --console-socket");
	if (rc == 0 && pod_role(&k->b) == POD_MEMBER)
		rc = find_sandbox(k, e);
	if (rc == 0)
		rc = container_new(&k->c, o, id, &k->b, e);
	if (rc < 0)
		return rc;
	rc = find_ahead(k, o, e);
	if (rc == 0)
		rc = plan_make(&k->plan, &k->b, o->kernel, &o->cache, k->from[0] ? k->from : NULL,
			       k->c.vm, k->c.uuid, e);
	if (rc == 0 && o->ahead == AHEAD_REQUIRE && k->plan.initrd_fd >= 0 && !k->plan.from[0] &&
	    pod_role(&k->b) == POD_NONE)
		rc = err_set(e, E2BIG,
			     "--ahead=require: the container's files are larger than %u KiB, and "
			     "are no disk%s%s",
			     AHEAD_BYTES >> 10, k->plan.no_image.code ? ": " : "",
			     k->plan.no_image.code ? err_msg(&k->plan.no_image) : "");
	if (rc == 0 && k->plan.no_image.code)
		(void)fprintf(
			stderr,
			"chaos-oci: the root is in the memory of the VM, because it cannot be "
			"a disk: %s\n",
			err_msg(&k->plan.no_image));
	if (rc == 0)
		rc = place_make_cgroup(&k->b, &k->c, e);
	if (rc == 0 && k->pod >= 0)
		rc = pod_join(&k->c, &k->sandbox, &k->b, &k->plan, o, e);
	if (rc == 0)
		rc = make_monitor(k, e);
	if (rc == 0)
		rc = hooks_run_first(&k->b, &k->c, e);
	if (rc == 0 && say(k, 0, k->c.pid, NULL) < 0)
		rc = err_set(e, EPIPE, "the container's monitor has ended");
	k->vm = rc == 0;
	if (rc == 0)
		rc = hear(k->link, &w, e);
	if (w.rc < 0)
		k->vm = w.vm;
	if (rc == 0)
		rc = place_write_pid(k->pid_file, k->c.pid, e);
	if (rc < 0)
		undo(k, o, e);
	return rc;
}

static int run_create(const struct oci *o, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"bundle", required_argument, NULL, 'b'},
					      {"console-socket", required_argument, NULL, 'c'},
					      {"pid-file", required_argument, NULL, 'p'},
					      {"preserve-fds", required_argument, NULL, 'f'},
					      {"no-pivot", no_argument, NULL, 'n'},
					      {"no-new-keyring", no_argument, NULL, 'n'},
					      {NULL, 0, NULL, 0}};
	struct creation k = {.bundle_path = ".", .link = -1, .o = o, .pod = -1};
	const char *id;
	int c;
	int rc;

	k.c.dir = k.sandbox.dir = k.resolver.udp = k.resolver.tcp = -1;
	k.outside = place_network();
	k.plan.kernel_fd = k.plan.initrd_fd = k.plan.image.fd = -1;
	while ((c = getopt_long(argc, argv, "b:p:", longs, NULL)) != -1)
		if (c == 'b')
			k.bundle_path = optarg;
		else if (c == 'c')
			k.console_socket = optarg;
		else if (c == 'p')
			k.pid_file = optarg;
		else if (c == '?')
			return -EINVAL;
	id = oci_one_id(argc, argv, e);
	if (!id)
		return -EINVAL;
	rc = create(&k, o, id, e);
	if (k.link >= 0)
		(void)close(k.link);
	plan_free(&k.plan);
	network_free(&k.network);
	container_close(&k.sandbox);
	if (k.pod >= 0)
		(void)close(k.pod);
	container_close(&k.c);
	bundle_free(&k.b);
	return rc;
}

const struct verb verb_create = {
	.name = "create",
	.args = "[--bundle DIR] [--console-socket PATH] [--pid-file FILE] ID",
	.what = "make a container and its VM; its process does not run yet",
	.run = run_create};
