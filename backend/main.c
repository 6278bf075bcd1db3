/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-backend: options, start-up in order, the loop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/control.h"

#include "base/log.h"

static const char usage[] =
	"usage: chaos-backend (--control FD | --listen FD) [--user USER] [--log-level LEVEL]\n"
	"\n"
	"Serves network interfaces and disks of guests in user space. chaosd starts it.\n"
	"\n"
	"  -c, --control FD       a connected Unix SOCK_SEQPACKET socket; exits when it is closed\n"
	"  -L, --listen FD        a listening socket; devices stay when a client disconnects\n"
	"  -u, --user USER        change to this user after the start\n"
	"  -l, --log-level LEVEL  error, warn, info or debug\n"
	"  -V, --version\n"
	"  -h, --help\n";

struct options {
	int control;
	int listener;
	const char *user;
};

/* A number that is an open SOCK_SEQPACKET socket. */
static int socket_arg(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	int type = 0;
	socklen_t len = sizeof(type);

	if (!*text || *end || n > 1u << 20 ||
	    getsockopt((int)n, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		return -1;
	(void)fcntl((int)n, F_SETFD, FD_CLOEXEC);
	return (int)n;
}

/* 0: go on; else the exit status + 1. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"control", required_argument, NULL, 'c'},
					      {"listen", required_argument, NULL, 'L'},
					      {"user", required_argument, NULL, 'u'},
					      {"log-level", required_argument, NULL, 'l'},
					      {"version", no_argument, NULL, 'V'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	enum log_level level;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:L:u:l:Vh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->control = socket_arg(optarg);
			break;
		case 'L':
			o->listener = socket_arg(optarg);
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'l':
			if (log_level_parse(optarg, &level) < 0)
				goto wrong;
			log_set_level(level);
			break;
		case 'V':
			(void)puts("chaos-backend " CHAOS_VERSION);
			return 1;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			goto wrong;
		}
	}
	if (optind == argc && (o->control < 0) != (o->listener < 0))
		return 0;
wrong:
	(void)fputs(usage, stderr);
	return 3;
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static int run(const struct options *o, struct err *e)
{
	struct rlimit files;
	struct devices devices = {0};
	struct control control = {.devices = &devices, .listener = o->listener, .fd = o->control};
	ev_signal term;
	ev_signal interrupt;
	int rc;

	/* 1. as root: a file for each device, and the two that Xen needs */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	devices.loop = control.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!devices.loop)
		return err_set(e, ENOMEM, "no event loop");
	rc = devices_open(&devices, e);
	/* 2. no longer root */
	if (rc == 0)
		rc = confine_user(o->user, e);
	/* 3. threads, watchers, and from here only what the filter lets through */
	if (rc == 0)
		rc = devices_start(&devices, e);
	if (rc == 0) {
		ev_signal_init(&term, on_signal, SIGTERM);
		ev_signal_init(&interrupt, on_signal, SIGINT);
		ev_signal_start(devices.loop, &term);
		ev_signal_start(devices.loop, &interrupt);
		control_start(&control);
		rc = confine_filter(e);
	}
	if (rc == 0) {
		log_line(LOG_INFO, "op=start version=" CHAOS_VERSION);
		(void)ev_run(devices.loop, 0);
		control_stop(&control);
	}
	devices_close(&devices);
	ev_loop_destroy(devices.loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {.control = -1, .listener = -1};
	struct err e = {0};
	int rc = parse(argc, argv, &o);

	if (rc != 0)
		return rc - 1;
	(void)signal(SIGPIPE, SIG_IGN);
	rc = run(&o, &e);
	if (rc < 0) {
		log_line(LOG_ERROR, "op=start reason=\"%s\"", err_msg(&e));
		return 1;
	}
	log_line(LOG_INFO, "op=end");
	return 0;
}
